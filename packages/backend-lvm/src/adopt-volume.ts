import { type FileHandle, open } from "node:fs/promises";
import {
  errnoOf,
  type ImageDisk,
  type ImageServices,
  ioError,
  LuksmithError,
  type OpContext,
} from "@luksmith/core";

/**
 * Copies a disk of this backend from another host as it is, ciphertext and header.
 * @param from a file, or a device
 * @param length bytes of header and payload
 */
export async function adoptVolume(
  from: string,
  to: FileHandle,
  length: bigint,
  disk: ImageDisk,
  { luks }: Pick<ImageServices, "luks">,
  ctx: OpContext,
): Promise<void> {
  await using source = await open(from).catch((error: unknown) => {
    if (errnoOf(error) !== "ENOENT") throw ioError(error, `opening ${from}`, { path: from });
    throw new LuksmithError("DiskNotFound", `${from} is not there; copy the disk to this host first`, {
      cause: error,
      details: { path: from },
    });
  });
  const step = `copy ${disk.name}`;
  await luks.copy({
    from: { fd: source.fd, offset: 0n },
    to: { fd: to.fd, offset: 0n },
    length,
    signal: ctx.signal,
    onProgress: (doneBytes, totalBytes) => ctx.progress?.({ step, doneBytes, totalBytes }),
  });
}
