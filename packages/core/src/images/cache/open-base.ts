import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { ioError } from "../../errors/io-error.ts";
import type { DiskContent } from "../../image/disk-content.ts";
import type { BaseImage } from "./image-cache.ts";

/** Opens a base as content for a disk, and takes it over: the caller disposes only what it gets. */
export async function openBase(
  base: BaseImage,
): Promise<AsyncDisposable & { readonly content: DiskContent }> {
  try {
    const handle = await open(base.path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const extents = [{ start: 0n, length: base.virtualSize }];
    return {
      content: { fd: handle.fd, length: base.virtualSize, extents },
      [Symbol.asyncDispose]: async () => {
        await handle.close();
        base[Symbol.dispose]();
      },
    };
  } catch (error) {
    base[Symbol.dispose]();
    throw ioError(error, `opening the base ${base.path}`);
  }
}
