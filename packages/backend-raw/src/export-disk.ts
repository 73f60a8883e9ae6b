import { constants } from "node:fs";
import {
  type CopyEnd,
  type DiskIdentity,
  fillRawSnapshot,
  type ImageDisk,
  type ImageServices,
  openExisting,
  operationError,
  type OpContext,
  type Rollback,
  type SnapshotTarget,
  type UnlockedDisk,
  writeSnapshotFile,
} from "@luksmith/core";
import { convertToQcow2 } from "./convert-to-qcow2.ts";

/** The guest's bytes inside a file. */
export interface DiskBytes {
  readonly path: string;
  /** Bytes before them. */
  readonly offset: bigint;
  readonly length: bigint;
  /** Absent: the disk is plain. */
  readonly unlocked: UnlockedDisk | undefined;
}

/**
 * Copies a disk into a new file: decrypted and encrypted again in memory, chunk by chunk, or in clear when the target
 * has no passphrase.
 */
export async function exportDisk(
  from: DiskBytes,
  disk: ImageDisk,
  target: SnapshotTarget,
  services: ImageServices,
  undo: Rollback,
  ctx: OpContext,
): Promise<DiskIdentity> {
  const source = await openExisting(from.path, constants.O_RDONLY);
  try {
    return await writeSnapshotFile(
      target,
      undo,
      async (file) => {
        if (target.format === "qcow2")
          await convertToQcow2(from, disk, file.handle.fd, target, services, ctx);
        else await fillRawSnapshot(file, target, from.length, services, (to) => copyTo(to, source.fd));
      },
      ctx,
    );
  } catch (error) {
    const what = `copying ${disk.name} of instance ${disk.instanceUuid} to ${target.path}`;
    throw operationError(error, ctx.signal, what);
  } finally {
    await source.close();
  }

  async function copyTo(to: CopyEnd, fd: number): Promise<void> {
    await services.luks.copy({
      from: { fd, offset: from.offset, ...(from.unlocked ? { volumeKey: from.unlocked.volumeKey } : {}) },
      to,
      length: from.length,
      sparse: to.volumeKey === undefined,
      signal: ctx.signal,
      onProgress: (doneBytes, totalBytes) =>
        ctx.progress?.({ step: `copy ${disk.name}`, doneBytes, totalBytes }),
    });
  }
}
