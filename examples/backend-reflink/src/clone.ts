import { constants } from "node:fs";
import { copyFile, type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, ioError, PluginError } from "@luksmith/core";

/** open(2): a file without a name, gone with its last descriptor. Node does not name it. */
const O_TMPFILE = 0o20_000_000;
/** What the kernel, or Node for it, says where two files cannot share blocks. */
const CANNOT = new Set(["ENOTSUP", "EOPNOTSUPP", "EXDEV", "EINVAL", "ENOSYS", "ENOTTY", "EBADF"]);

/** An open file by a path: the only way to tell `copyFile` of one. */
function pathOf({ fd }: Pick<FileHandle, "fd">): string {
  return `/proc/self/fd/${fd}`;
}

/**
 * Makes a file share all of another's blocks, instantly (ioctl_ficlone(2)); each is written to on its own afterwards.
 * @param to empty, open for writing; stays readable by nobody else
 * @returns false where the file systems cannot; then `to` is still empty
 */
export async function tryClone(from: Pick<FileHandle, "fd">, to: FileHandle): Promise<boolean> {
  try {
    await copyFile(pathOf(from), pathOf(to), constants.COPYFILE_FICLONE_FORCE);
  } catch (error) {
    if (CANNOT.has(errnoOf(error) ?? "")) return false;
    throw ioError(error, "cloning a file");
  }
  // It gets the mode of the other, too.
  await to.chmod(0o600);
  return true;
}

/** @throws `REFLINK_MISSING` */
export async function clone(from: Pick<FileHandle, "fd">, to: FileHandle, directory: string): Promise<void> {
  if (!(await tryClone(from, to))) throw reflinkMissing(directory);
}

/** @param directory where its blocks shall be */
export async function namelessFile(directory: string): Promise<FileHandle> {
  try {
    return await open(directory, constants.O_RDWR | constants.O_DIRECTORY | O_TMPFILE, 0o600);
  } catch (error) {
    throw ioError(error, `making a file without a name in ${directory}`, { path: directory });
  }
}

/** Why clones cannot be made in a directory, or above it where it is not there yet. Tried, with nothing left behind. */
export async function cloneTrouble(directory: string): Promise<string | undefined> {
  try {
    await using from = await namelessFile(directory);
    await using to = await namelessFile(directory);
    // Something small would be kept in the inode by some.
    await from.write(Buffer.alloc(65_536, 1));
    return (await tryClone(from, to)) ? undefined : missing(directory);
  } catch (error) {
    const errno = errnoOf(error instanceof Error ? error.cause : undefined);
    if (errno === "ENOENT" && directory !== "/") return await cloneTrouble(dirname(directory));
    if (CANNOT.has(errno ?? "") || errno === "EISDIR") return missing(directory);
    throw error;
  }
}

export function reflinkMissing(directory: string): PluginError {
  return new PluginError("REFLINK_MISSING", "unsupported", missing(directory), { details: { directory } });
}

function missing(directory: string): string {
  return `${directory} is on a file system whose files cannot share blocks; put it on XFS or Btrfs, or set [luksmith:backend-reflink] reflink = preferred and go without checkpoints`;
}
