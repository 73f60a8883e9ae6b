import { openEncryptedImage } from "../images/open-encrypted-image.ts";
import { openBase } from "../images/cache/open-base.ts";
import type { BaseImage } from "../images/cache/image-cache.ts";
import type { DiskContent, ImageSource } from "./disk-content.ts";
import { makeFilesystem } from "./filesystem-template.ts";
import type { ImageServices } from "./image-backend.ts";
import type { ImageDisk } from "./image-disk.ts";
import type { OpContext } from "./op-context.ts";

/** The content, or the base, while a disk is being made; disposal frees what it took. */
export interface OpenContent extends AsyncDisposable {
  readonly content?: DiskContent | undefined;
  readonly base?: BaseImage | undefined;
}

/**
 * Opens what a new disk shall hold: nothing, a fresh file system (made in memory), or an image, whole: its holes must
 * read as zeros and are written as such. An image that is not raw is converted once, in the cache; an encrypted one is
 * decrypted on its way to the disk and nowhere else.
 */
export async function openContent(
  source: ImageSource,
  disk: ImageDisk,
  services: ImageServices,
  ctx: OpContext,
): Promise<OpenContent> {
  switch (source.kind) {
    case "blank":
      return { [Symbol.asyncDispose]: async () => {} };
    case "filesystem":
      return makeFilesystem(source, disk, services, ctx);
    case "image": {
      const { image } = source;
      if (image.encryption) return openEncryptedImage(image, services, ctx);
      if (image.format !== "raw") {
        return openBase(await services.cache.image(image, { raw: true }, ctx));
      }
      const extents = [{ start: 0n, length: image.size }];
      return {
        content: { fd: image.fd, length: image.size, extents },
        [Symbol.asyncDispose]: async () => {},
      };
    }
  }
}
