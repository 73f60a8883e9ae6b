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
import { withinTime } from "./within-time.ts";

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
  const what = `copying ${disk.name} of instance ${disk.instanceUuid} to ${target.path}`;
  const { policy } = services;
  const step = `copy ${disk.name}`;
  try {
    return await writeSnapshotFile(
      target,
      undo,
      async (file) => {
        if (target.format === "raw") {
          await fillRawSnapshot(file, target, from.length, services, (to) => copyTo(to, source.fd));
          return;
        }
        // Loaded here: a create or delete must not wait for a format that it has no use for.
        const { fillQcow2 } = await import("./fill-qcow2.ts");
        await withinTime(policy.commandTimeoutMs, ctx.signal, what, (signal) => {
          const copy = { from: readFrom(source.fd), length: from.length, step, signal };
          return fillQcow2(file, target, { ...copy, progress: ctx.progress }, services);
        });
      },
      ctx,
    );
  } catch (error) {
    throw operationError(error, ctx.signal, what);
  } finally {
    await source.close();
  }

  function readFrom(fd: number): CopyEnd {
    const { offset, unlocked } = from;
    return { fd, offset, ...(unlocked ? { volumeKey: unlocked.volumeKey } : {}) };
  }

  async function copyTo(to: CopyEnd, fd: number): Promise<void> {
    await services.luks.copy({
      from: readFrom(fd),
      to,
      length: from.length,
      sparse: to.volumeKey === undefined,
      signal: ctx.signal,
      onProgress: (doneBytes, totalBytes) => ctx.progress?.({ step, doneBytes, totalBytes }),
    });
  }
}
