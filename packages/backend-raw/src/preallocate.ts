import type { ImageServices, OpContext } from "@luksmith/core";
import { toolSpaceError } from "./tool-space-error.ts";

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
    throw toolSpaceError(
      error,
      `there is no room to preallocate ${bytes} bytes for ${label}; free space or set preallocate_images = none`,
    );
  }
}
