import type { ImageServices, OpContext } from "@luksmith/core";
import { isLuksmithError, LuksmithError } from "@luksmith/core";

/**
 * Reserves the file's space without changing its size, as Nova does for `preallocate_images = space`.
 * @param bytes of the whole file
 */
export async function preallocate(
  fd: number,
  bytes: bigint,
  label: string,
  services: ImageServices,
  ctx: OpContext,
): Promise<void> {
  try {
    await services.commands.run(
      { file: "fallocate", args: ["--keep-size", "--length", String(bytes), "/dev/fd/3"], inheritFds: [fd] },
      ctx,
    );
  } catch (error) {
    if (
      !isLuksmithError(error) ||
      error.code !== "CommandFailed" ||
      !/No space|Disk quota/.test(error.message)
    )
      throw error;
    throw new LuksmithError(
      "NoSpace",
      `there is no room to preallocate ${bytes} bytes for ${label}; free space or set preallocate_images = none`,
      {
        cause: error,
      },
    );
  }
}
