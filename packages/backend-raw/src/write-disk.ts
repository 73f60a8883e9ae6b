import type { FileHandle } from "node:fs/promises";
import {
  type AllocateImage,
  copyContent,
  type HeaderWrite,
  type ImageDisk,
  type LuksEngine,
  type OpContext,
} from "@luksmith/core";

/**
 * Writes header and content into a new, empty file and gives it its size. What the content does not cover stays a
 * hole: behind encryption it reads as noise.
 * @param dataOffset bytes before the payload
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
  const sized = file.truncate(Number(dataOffset + disk.virtualSize));
  await Promise.all([sized, ...(container?.writes ?? []).map((write) => writeFully(file, write))]);
  if (!content) return;
  const to = { fd: file.fd, offset: dataOffset, ...(container ? { volumeKey: container.volumeKey } : {}) };
  await copyContent(content, to, `write ${disk.name}`, luks, ctx);
}

async function writeFully(file: FileHandle, { offset, bytes }: HeaderWrite): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}
