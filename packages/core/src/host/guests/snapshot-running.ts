import { fillRawSnapshot, writeSnapshotFile } from "../../file/snapshot-file.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { GuestKey } from "../../guest/hypervisor.ts";
import type { Image } from "../../image/image.ts";
import type { DiskIdentity } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { Rollback } from "../../image/rollback.ts";
import type { SnapshotTarget } from "../../image/snapshot-target.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { Operation } from "../../journal/journal.ts";
import type { HostServices } from "../host-services.ts";
import { sagaStep } from "../operations/steps.ts";
import { deviceOf } from "./find-guest.ts";

/** What is copied, and for which operation. */
export interface RunningDisk {
  readonly instance: InstanceRecord;
  readonly record: DiskRecord;
  readonly image: Image;
  /** The new secret, absent for a plain copy of a plain disk. */
  readonly secretId: string | undefined;
  readonly operation: Operation;
}

/**
 * What the hypervisor cannot copy while the guest runs.
 * @throws `UnsupportedOperation`, with nothing changed
 */
export function requireLiveCopy(
  record: DiskRecord,
  image: Image,
  request: { readonly format: "raw" | "qcow2"; readonly plain: boolean },
): void {
  const why =
    request.format === "qcow2" && !image.makeCopyTarget
      ? "in qcow2; use --format raw"
      : request.plain && record.encryption
        ? "in clear; leave out --plain"
        : undefined;
  if (why === undefined) return;
  throw new LuksmithError(
    "UnsupportedOperation",
    `the guest that uses ${record.path} is running, and its disk cannot be copied ${why}, or stop the guest first`,
    { details: { disk: record.name } },
  );
}

/**
 * Copies a disk of a running guest, base and all: QEMU mirrors it into a container or a qcow2 image with a key of its own until both are
 * the same, and stops there. The guest writes to its own disk all the time, so that a crash loses nothing of it.
 */
export async function snapshotRunning(
  services: HostServices,
  { instance, record, image, secretId, operation }: RunningDisk,
  target: SnapshotTarget,
  undo: Rollback,
  ctx: OpContext,
): Promise<DiskIdentity> {
  const { hypervisor } = services;
  const device = deviceOf(instance, record.name);
  const key: GuestKey | undefined = secretId === undefined ? undefined : keyOf(instance, target, secretId);
  return await writeSnapshotFile(
    target,
    undo,
    async (file) => {
      const copy = async (): Promise<void> => {
        operation.intend(
          ...(key ? [sagaStep({ kind: "take-keys", data: { keys: [key] } })] : []),
          sagaStep({ kind: "copy-job", data: { uuid: instance.uuid, device } }),
        );
        if (key && target.passphrase) await hypervisor.giveKey(key, target.passphrase, ctx);
        const { format } = target;
        await hypervisor.copyDisk(instance.uuid, device, { file: file.temporary, format, key }, ctx);
        if (key) await hypervisor.takeKey(key, ctx);
      };
      if (target.format === "raw") {
        await fillRawSnapshot(file, target, record.virtualSize, services.lent, copy);
      } else {
        await image.makeCopyTarget?.(file, target);
        await copy();
      }
    },
    ctx,
  );
}

/** libvirt has one secret for each use: the copy is another disk than the one it is of. */
function keyOf(instance: InstanceRecord, target: SnapshotTarget, secretId: string): GuestKey {
  return { secretId, use: { kind: "disk", instanceUuid: instance.uuid, diskUuid: target.uuid } };
}
