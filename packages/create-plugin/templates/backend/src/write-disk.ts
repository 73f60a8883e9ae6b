import type { FileHandle } from "node:fs/promises";
import {
  type AllocateImage,
  copyContent,
  type ImageDisk,
  type LuksEngine,
  type OpContext,
} from "@luksmith/core";

/**
 * Writes the LUKS header and the content of a new disk, and gives it its size, to the byte.
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
  await file.truncate(Number(dataOffset + disk.virtualSize));
  // The header is being made while you make room for it: await it late.
  const container = await request.container;
  for (const { offset, bytes } of container?.writes ?? []) {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
      done += bytesWritten;
    }
  }
  if (!request.content) return;
  // With the volume key, the content is encrypted on its way; there is no moment at which it is plain.
  const to = { fd: file.fd, offset: dataOffset, ...(container ? { volumeKey: container.volumeKey } : {}) };
  await copyContent(request.content, to, `write ${disk.name}`, luks, ctx);
}
