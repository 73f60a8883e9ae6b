import { setTimeout as sleep } from "node:timers/promises";
import { type CopyTarget, LuksmithError, type OpContext, throwIfCancelled } from "@luksmith/core";
import type { LibvirtDisks } from "../libvirt-disks.ts";

const POLL_MS = 100;
/** To stop a copy whose caller has been cancelled. */
const STOP_TIMEOUT_MS = 30_000;

/**
 * Mirrors a disk of a running guest into a file, and stops when both are the same: the file then is what the disk was at
 * that moment.
 * @throws `PlaintextCopyRefused`, `Cancelled`, `LibvirtFailed`: the job ended by itself, for want of space perhaps
 */
export async function copyDisk(
  disks: LibvirtDisks,
  uuid: string,
  device: string,
  { file, format, key }: CopyTarget,
  ctx: OpContext,
): Promise<void> {
  const secret = key === undefined ? {} : { secretId: key.secretId };
  const source = { type: "file", file, format, ...secret } as const;
  await disks.startCopy(uuid, device, { source, exists: true }, ctx);
  try {
    await caughtUp(disks, uuid, device, ctx);
  } catch (error) {
    const steady = { ...ctx, signal: AbortSignal.timeout(STOP_TIMEOUT_MS) };
    await disks.finishCopy(uuid, device, "stay", steady).catch((second: unknown) => {
      ctx.log.error({ guest: uuid, disk: device, err: second }, "could not stop copying a disk");
    });
    throw error;
  }
  await disks.finishCopy(uuid, device, "stay", ctx);
}

/** No time limit: disks are large. Whoever waits can cancel. */
async function caughtUp(disks: LibvirtDisks, uuid: string, device: string, ctx: OpContext): Promise<void> {
  for (;;) {
    throwIfCancelled(ctx);
    const job = await disks.job(uuid, device, ctx);
    if (!job) throw lost(uuid, device);
    const { done, total, ready } = job;
    ctx.progress?.({ step: `copy ${device}`, doneBytes: done, totalBytes: total });
    // Not done === total: QEMU may not have written the last of it, and a job that is ended before it is ready is dropped.
    if (ready) return;
    await sleep(POLL_MS);
  }
}

function lost(uuid: string, device: string): LuksmithError {
  return new LuksmithError(
    "LibvirtFailed",
    `copying disk ${device} of guest ${uuid} ended before it was done: is there space for the copy? See the guest's log in /var/log/libvirt/qemu`,
    { details: { guest: uuid, disk: device } },
  );
}
