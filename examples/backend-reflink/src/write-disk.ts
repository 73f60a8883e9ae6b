import { fstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import {
  type AllocateImage,
  copyContent,
  type DiskContent,
  type ImageDisk,
  type LuksEngine,
  type OpContext,
} from "@luksmith/core";
import { tryClone } from "./clone.ts";

/**
 * Writes header and content of a new disk, and gives it its size, to the byte. A plain disk shares the blocks of the image
 * that it is made of, where it can.
 * @param dataOffset bytes before the guest's first
 */
export async function writeDisk(
  file: FileHandle,
  disk: ImageDisk,
  dataOffset: bigint,
  request: AllocateImage,
  luks: LuksEngine,
  ctx: OpContext,
): Promise<void> {
  const { content } = request;
  const container = await request.container;
  const plain = !disk.encryption && content !== undefined && isWholeFile(content);
  const cloned = plain && (await tryClone(content, file));
  await file.truncate(Number(dataOffset + disk.virtualSize));
  for (const { offset, bytes } of container?.writes ?? []) await writeFully(file, bytes, offset);
  if (!content || cloned) return;
  const to = { fd: file.fd, offset: dataOffset, ...(container ? { volumeKey: container.volumeKey } : {}) };
  await copyContent(content, to, `write ${disk.name}`, luks, ctx);
}

/** Whether a file has the content as it is, and nothing else. */
function isWholeFile({ fd, length, extents, zeros = [], decryption }: DiskContent): boolean {
  const [extent, ...more] = extents;
  if (decryption || zeros.length > 0 || more.length > 0 || !extent) return false;
  if (extent.start !== 0n || extent.length !== length || (extent.source ?? 0n) !== 0n) return false;
  return BigInt(fstatSync(fd).size) === length;
}

export async function writeFully(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}
