import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import {
  type DiskIdentity,
  type ImageDisk,
  type ImageServices,
  LuksmithError,
  newFile,
  openExisting,
  operationError,
  type OpContext,
  type Rollback,
  type SnapshotTarget,
  throwIfCancelled,
  type UnlockedDisk,
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

const PAYLOAD_OFFSET = 4096;
const SECTOR = 512n;

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
    await using file = await newFile(target.path, undo, { makeDirectories: false }).catch(
      (error: unknown) => {
        throw asTarget(error, target);
      },
    );
    if (target.format === "qcow2") await convertToQcow2(from, disk, file.handle.fd, target, services, ctx);
    else await copyRaw(from, source.fd, disk, file.handle, target, services, ctx);
    throwIfCancelled(ctx);
    return await file.publish().catch((error: unknown) => {
      throw asTarget(error, target);
    });
  } catch (error) {
    throw operationError(
      error,
      ctx.signal,
      `copying ${disk.name} of instance ${disk.instanceUuid} to ${target.path}`,
    );
  } finally {
    await source.close();
  }
}

async function copyRaw(
  from: DiskBytes,
  fd: number,
  disk: ImageDisk,
  file: FileHandle,
  target: SnapshotTarget,
  { luks, policy }: ImageServices,
  ctx: OpContext,
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
  for (const write of container?.writes ?? [])
    await file.write(write.bytes, 0, write.bytes.length, write.offset);
  await file.truncate(Number(offset + from.length));
  await luks.copy({
    from: { fd, offset: from.offset, ...(from.unlocked ? { volumeKey: from.unlocked.volumeKey } : {}) },
    to: { fd: file.fd, offset, ...(volumeKey ? { volumeKey } : {}) },
    length: from.length,
    sparse: !container,
    signal: ctx.signal,
    onProgress: (doneBytes, totalBytes) =>
      ctx.progress?.({ step: `copy ${disk.name}`, doneBytes, totalBytes }),
  });
}

function asTarget(error: unknown, target: SnapshotTarget): unknown {
  if (!(error instanceof LuksmithError) || error.code !== "DiskExists") return error;
  return new LuksmithError(
    "TargetExists",
    `${target.path} exists already and was not touched; choose another name`,
    {
      cause: error,
      details: { path: target.path },
    },
  );
}
