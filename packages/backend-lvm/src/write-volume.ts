import type { FileHandle } from "node:fs/promises";
import {
  type AllocateImage,
  copyContent,
  type ImageDisk,
  type LuksEngine,
  type OpContext,
} from "@luksmith/core";
import { writeFully } from "./volume-header.ts";

/**
 * Writes header and content into a new volume, which holds whatever was on its extents before: nothing of it may show in a
 * plain disk, and in an encrypted one it shows as noise.
 * @param dataOffset bytes before the payload
 * @param blank the volume reads as zeros where nothing was written: it is thin
 */
export async function writeVolume(
  device: FileHandle,
  disk: ImageDisk,
  { dataOffset, blank }: { readonly dataOffset: number; readonly blank: boolean },
  request: AllocateImage,
  luks: LuksEngine,
  ctx: OpContext,
): Promise<void> {
  const { content } = request;
  const container = await request.container;
  if (container) {
    // All of it: key slots of a disk that was here before are gone.
    const area = new Uint8Array(dataOffset);
    for (const { offset, bytes } of container.writes) area.set(bytes, offset);
    await writeFully(device, area, 0);
  } else if (!blank && request.opaque !== true) {
    await writeZeros(device, { start: 0n, length: disk.virtualSize }, `clear ${disk.name}`, luks, ctx);
  }
  if (!content) return;
  const key = container ? { volumeKey: container.volumeKey } : {};
  await copyContent(
    content,
    { fd: device.fd, offset: BigInt(dataOffset), ...key },
    `write ${disk.name}`,
    luks,
    ctx,
  );
}

/** @param part bytes from the volume's start */
export async function writeZeros(
  device: FileHandle,
  part: { readonly start: bigint; readonly length: bigint },
  step: string,
  luks: Pick<LuksEngine, "copy">,
  ctx: OpContext,
): Promise<void> {
  await luks.copy({
    from: "zero",
    to: { fd: device.fd, offset: part.start },
    length: part.length,
    signal: ctx.signal,
    onProgress: (doneBytes, totalBytes) => ctx.progress?.({ step, doneBytes, totalBytes }),
  });
}
