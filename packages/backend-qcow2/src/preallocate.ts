import type { ImageServices, OpContext } from "@luksmith/core";
import { toolSpaceError } from "./tool-space-error.ts";

/**
 * Reserves room for all that the image file can grow to, without changing its size, as Nova does for
 * `preallocate_images = space`: QEMU takes new clusters at the file's end, so they fall into it.
 * @param bytes of the whole file
 */
export async function preallocate(
  fd: number,
  bytes: bigint,
  label: string,
  { commands }: ImageServices,
  ctx: OpContext,
): Promise<void> {
  const args = ["--keep-size", "--length", String(bytes), "/dev/fd/3"];
  try {
    await commands.run({ file: "fallocate", args, inheritFds: [fd] }, ctx);
  } catch (error) {
    throw toolSpaceError(
      error,
      `there is no room to preallocate ${bytes} bytes for ${label}; free space or set preallocate_images = none`,
    );
  }
}
