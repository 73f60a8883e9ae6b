import type { DiskContent, ImageSource } from "./disk-content.ts";
import type { ImageServices } from "./image-backend.ts";
import type { ImageDisk } from "./image-disk.ts";
import { makeFilesystem } from "./filesystem-template.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "./op-context.ts";

/** The content while a disk is being made; disposal frees what it took. */
export interface OpenContent extends AsyncDisposable {
  readonly content: DiskContent | undefined;
}

/**
 * Opens what a new disk shall hold: nothing, a fresh file system (made in memory), or an image, whole: its holes must
 * read as zeros and are written as such.
 */
export async function openContent(
  source: ImageSource,
  disk: ImageDisk,
  services: ImageServices,
  ctx: OpContext,
): Promise<OpenContent> {
  switch (source.kind) {
    case "blank":
      return { content: undefined, [Symbol.asyncDispose]: async () => {} };
    case "filesystem":
      return makeFilesystem(source, disk, services, ctx);
    case "image": {
      const { image } = source;
      if (image.format !== "raw" && image.format !== "iso") {
        throw new LuksmithError(
          "UnsupportedImageFormat",
          `image ${image.id} is ${image.format}; disk ${disk.name} can be filled from a raw image only`,
          { details: { image: image.id, format: image.format } },
        );
      }
      const extents = [{ start: 0n, length: image.size }];
      return {
        content: { fd: image.fd, length: image.size, extents },
        [Symbol.asyncDispose]: async () => {},
      };
    }
  }
}
