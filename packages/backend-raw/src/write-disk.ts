import type { FileHandle } from "node:fs/promises";
import type { AllocateImage, ImageDisk, LuksEngine, OpContext } from "@luksmith/core";

/**
 * Writes header and content into a new, empty file and gives it its size. What the content does not cover stays a
 * hole: behind encryption it reads as noise.
 * @param dataOffset bytes before the payload
 */
export async function writeDisk(
  file: FileHandle,
  disk: ImageDisk,
  dataOffset: bigint,
  { content, container }: AllocateImage,
  luks: LuksEngine,
  ctx: OpContext,
): Promise<void> {
  for (const { offset, bytes } of container?.writes ?? []) await file.write(bytes, 0, bytes.length, offset);
  await file.truncate(Number(dataOffset + disk.virtualSize));
  if (!content) return;
  await luks.copy({
    from: { fd: content.fd, offset: 0n },
    to: { fd: file.fd, offset: dataOffset, ...(container ? { volumeKey: container.volumeKey } : {}) },
    length: content.length,
    extents: content.extents,
    sparse: container === undefined,
    signal: ctx.signal,
    onProgress: (doneBytes, totalBytes) =>
      ctx.progress?.({ step: `write ${disk.name}`, doneBytes, totalBytes }),
  });
}
