import type { BackendCapabilities } from "../../image/image-backend.ts";
import type { ImageCache } from "../../images/cache/image-cache.ts";
import type { ImageFile } from "../../images/image-service.ts";

/** Bytes that a create has to find room for besides the disk's own headers and tables. */
export interface ContentToWrite {
  /** On the disk itself. */
  readonly contentBytes: bigint;
  /** In the cache, for a base that is not there yet. */
  readonly baseBytes: bigint;
}

/**
 * What an image comes to on this host: an overlay holds none of it, but its base does, once for all disks; any other disk
 * holds all of it, and one that has to be converted comes into the cache too.
 * @param image absent: a blank disk, or a file system, which is small
 */
export async function contentToWrite(
  image: ImageFile | undefined,
  cache: Pick<ImageCache, "bytesToAdd">,
  { overlays }: Pick<BackendCapabilities, "overlays">,
  forceRaw: boolean,
): Promise<ContentToWrite> {
  if (!image) return { contentBytes: 0n, baseBytes: 0n };
  const contentBytes = overlays ? 0n : image.virtualSize;
  // As `openContent` and the overlays' `openSource` do.
  const cached = overlays || (image.format !== "raw" && !image.encryption);
  const baseBytes = cached ? await cache.bytesToAdd(image, { raw: overlays ? forceRaw : true }) : 0n;
  return { contentBytes, baseBytes };
}
