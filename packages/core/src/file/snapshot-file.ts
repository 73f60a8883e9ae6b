import type { CopyEnd } from "@luksmith/luks";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { ImageServices } from "../image/image-backend.ts";
import type { DiskIdentity } from "../image/image-disk.ts";
import { type OpContext, throwIfCancelled } from "../image/op-context.ts";
import type { Rollback } from "../image/rollback.ts";
import type { SnapshotTarget } from "../image/snapshot-target.ts";
import { type NewFile, newFile } from "./new-file.ts";

/** Sectors. */
const PAYLOAD_OFFSET = 4096;
const SECTOR = 512n;

/**
 * Makes a snapshot's file: `fill` writes it under a temporary name, then it is published.
 * @throws `TargetExists`, `Cancelled`
 */
export async function writeSnapshotFile(
  target: SnapshotTarget,
  undo: Rollback,
  fill: (file: NewFile) => Promise<void>,
  ctx: OpContext,
): Promise<DiskIdentity> {
  try {
    await using file = await newFile(target.path, undo, { makeDirectories: false });
    await fill(file);
    throwIfCancelled(ctx);
    return await file.publish();
  } catch (error) {
    if (!(error instanceof LuksmithError) || error.code !== "DiskExists") throw error;
    throw new LuksmithError(
      "TargetExists",
      `${target.path} exists already and was not touched; choose another name`,
      {
        cause: error,
        details: { path: target.path },
      },
    );
  }
}

/**
 * Gives a raw snapshot its header, if it has a passphrase, and its size; `copy` then writes the guest's bytes.
 * @param length bytes of the guest's disk
 */
export async function fillRawSnapshot(
  file: NewFile,
  target: SnapshotTarget,
  length: bigint,
  { luks, policy }: Pick<ImageServices, "luks" | "policy">,
  copy: (to: CopyEnd) => Promise<void>,
): Promise<void> {
  const { passphrase, uuid } = target;
  const container =
    passphrase &&
    (await luks.format({
      uuid,
      payloadOffset: PAYLOAD_OFFSET,
      passphrase,
      iterations: policy.pbkdfIterations,
    }));
  using volumeKey = container?.volumeKey;
  const offset = container ? BigInt(PAYLOAD_OFFSET) * SECTOR : 0n;
  for (const write of container?.writes ?? []) {
    await file.handle.write(write.bytes, 0, write.bytes.length, write.offset);
  }
  await file.handle.truncate(Number(offset + length));
  await copy({ fd: file.handle.fd, offset, ...(volumeKey ? { volumeKey } : {}) });
}
