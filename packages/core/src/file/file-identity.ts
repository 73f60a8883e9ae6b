import { type BigIntStats, lstatSync } from "node:fs";
import { lstat } from "node:fs/promises";
import { errnoOf, ioError } from "../errors/io-error.ts";
import type { DiskIdentity } from "../image/image-disk.ts";

/**
 * What tells a file from another put under its name: inode number and birth time. Not the device number, which may
 * change with a reboot.
 */
export function identityOf(stat: BigIntStats): DiskIdentity {
  return { ino: String(stat.ino), born: String(stat.birthtimeNs) };
}

/** The identity of what stands at `path`, links not followed; undefined: nothing. */
export async function fileIdentity(path: string): Promise<DiskIdentity | undefined> {
  try {
    return identityOf(await lstat(path, { bigint: true }));
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw ioError(error, `looking at ${path}`);
  }
}

/** Whether anything stands at `path`, links not followed. */
export function nameExists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
