import { rmdir } from "node:fs/promises";
import { errnoOf, ioError } from "../../errors/io-error.ts";

/** The step `remove-directory`; idempotent. The kernel removes it only if it is empty: one that is not is left. */
export async function removeEmptyDirectory(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(errnoOf(error) ?? "")) {
      throw ioError(error, `removing ${path}`);
    }
  }
}
