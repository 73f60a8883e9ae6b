import type { ImageServices } from "../image/image-backend.ts";
import type { OpContext } from "../image/op-context.ts";
import { toolSpaceError } from "./tool-space-error.ts";

/**
 * Reserves room for all that a disk's file can grow to, without changing its size, as Nova does for
 * `preallocate_images = space`. QEMU takes new clusters of a qcow2 file at its end, so they fall into it.
 * @param bytes of the whole file
 * @param label the disk, for messages
 * @throws `NoSpace`, `CommandFailed`, `Cancelled`
 */
export async function preallocate(
  fd: number,
  bytes: bigint,
  label: string,
  { commands }: Pick<ImageServices, "commands">,
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
