import { stat } from "node:fs/promises";
import { errnoOf, ioError } from "@luksmith/core";

/** A block device as device-mapper writes it, `MAJOR:MINOR` in decimal; undefined: there is none. */
export async function deviceNumber(path: string): Promise<string | undefined> {
  try {
    const { rdev } = await stat(path, { bigint: true });
    // Packed as in gnu_dev_major(3).
    const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
    const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
    return `${major}:${minor}`;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw ioError(error, `looking at ${path}`);
  }
}
