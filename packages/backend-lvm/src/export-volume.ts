import type { FileHandle } from "node:fs/promises";
import {
  type CopyEnd,
  type DiskIdentity,
  fillRawSnapshot,
  type ImageDisk,
  type ImageServices,
  operationError,
  type OpContext,
  type Rollback,
  type SnapshotTarget,
  type UnlockedDisk,
  writeSnapshotFile,
} from "@luksmith/core";

/** The guest's bytes on a volume. */
export interface VolumeBytes {
  readonly device: FileHandle;
  /** Bytes before them. */
  readonly offset: bigint;
  readonly length: bigint;
  /** Absent: the disk is plain. */
  readonly unlocked: UnlockedDisk | undefined;
}

/** Copies a disk into a new file: decrypted and encrypted again in memory, or in clear when the target has no passphrase. */
export async function exportVolume(
  { device, offset, length, unlocked }: VolumeBytes,
  disk: ImageDisk,
  target: SnapshotTarget,
  services: ImageServices,
  undo: Rollback,
  ctx: OpContext,
): Promise<DiskIdentity> {
  const step = `copy ${disk.name}`;
  const from: CopyEnd = { fd: device.fd, offset, ...(unlocked ? { volumeKey: unlocked.volumeKey } : {}) };
  try {
    return await writeSnapshotFile(
      target,
      undo,
      (file) =>
        fillRawSnapshot(file, target, length, services, async (to) => {
          await services.luks.copy({
            from,
            to,
            length,
            sparse: to.volumeKey === undefined,
            signal: ctx.signal,
            onProgress: (doneBytes, totalBytes) => ctx.progress?.({ step, doneBytes, totalBytes }),
          });
        }),
      ctx,
    );
  } catch (error) {
    const what = `copying ${disk.name} of instance ${disk.instanceUuid} to ${target.path}`;
    throw operationError(error, ctx.signal, what);
  }
}
