import type { Backing } from "./header.ts";
import type { Qcow2File } from "./qcow2-file.ts";

/**
 * Changes only the name of the backing file, like `qemu-img rebase -u`: the caller knows that the guest sees the same
 * bytes through the new one. Durable when it resolves.
 *
 * @param backing - undefined: the image stands alone, unallocated clusters read as zero
 * @throws Qcow2Error `Qcow2RequestInvalid` for a name that does not fit the header
 */
export async function setBacking(image: Qcow2File, backing: Required<Backing> | undefined): Promise<void> {
  const { backing: _previous, ...header } = image.header;
  await image.replaceHeader({ ...header, ...(backing === undefined ? {} : { backing }) });
  await image.handle.datasync();
}
