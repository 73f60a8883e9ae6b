import type { FileHandle } from "node:fs/promises";
import type { AllocateImage, HeaderWrite, ImageDisk, LuksEngine, OpContext } from "@luksmith/core";

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
  const report = (doneBytes: bigint, totalBytes: bigint): void =>
    ctx.progress?.({ step: `write ${disk.name}`, doneBytes, totalBytes });
  report(0n, content.length);
  await luks.copy({
    from: { fd: content.fd, offset: 0n },
    to: { fd: file.fd, offset: dataOffset, ...(container ? { volumeKey: container.volumeKey } : {}) },
    length: content.length,
    extents: content.extents,
    sparse: container === undefined,
    signal: ctx.signal,
    onProgress: report,
  });
}

async function writeFully(file: FileHandle, { offset, bytes }: HeaderWrite): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}
