import { constants } from "node:fs";
import { type FileHandle, open, statfs } from "node:fs/promises";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { ioError } from "../errors/io-error.ts";

const DIRECTORY = "/dev/shm";
/** TMPFS_MAGIC in linux/magic.h */
const TMPFS_MAGIC = 0x0102_1994;
/** O_TMPFILE in asm-generic/fcntl.h, without the O_DIRECTORY that differs between architectures. */
const O_TMPFILE = 0o20_000_000;

/**
 * A file in memory that never has a name: nothing to find, nothing to leave behind, gone with its last descriptor.
 * @throws `UnsupportedOperation` where /dev/shm is not a tmpfs
 */
export async function openTmpfsFile(): Promise<FileHandle> {
  try {
    const { type } = await statfs(DIRECTORY);
    if (type !== TMPFS_MAGIC) {
      throw new LuksmithError(
        "UnsupportedOperation",
        `${DIRECTORY} is not a tmpfs; mount one there: secrets must not reach a disk`,
      );
    }
    return await open(DIRECTORY, constants.O_RDWR | constants.O_DIRECTORY | O_TMPFILE, 0o600);
  } catch (error) {
    throw ioError(error, `opening a file in memory (${DIRECTORY})`);
  }
}
