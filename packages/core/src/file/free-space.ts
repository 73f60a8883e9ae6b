import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, ioError } from "../errors/io-error.ts";

/** Bytes that an ordinary user may still write where `path` is, or will be once its directories are made. */
export async function freeSpace(path: string): Promise<bigint> {
  try {
    const { bavail, bsize } = await statfs(path, { bigint: true });
    return bavail * bsize;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" && path !== "/") return freeSpace(dirname(path));
    throw ioError(error, `looking for space at ${path}`);
  }
}
