import { lstat, mkdir } from "node:fs/promises";
import { ioError, LuksmithError } from "@luksmith/core";

/**
 * Makes a directory that only we can look into, or checks that one is so.
 * @param path absolute
 * @throws `StateDirectoryUnsafe` with the command that repairs it
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const { uid, mode } = await lstat(path);
    const me = process.geteuid?.() ?? 0;
    if (uid !== me) throw unsafe(path, `belongs to uid ${uid}, not to ${me}`, `run: chown ${me} ${path}`);
    if ((mode & 0o077) !== 0) {
      const octal = (mode & 0o7777).toString(8).padStart(4, "0");
      throw unsafe(path, `has mode ${octal}, open to others`, `run: chmod 0700 ${path}`);
    }
  } catch (error) {
    throw ioError(error, `making the directory of downloaded images ${path}`, { path });
  }
}

function unsafe(path: string, problem: string, repair: string): LuksmithError {
  return new LuksmithError(
    "StateDirectoryUnsafe",
    `the directory of downloaded images ${path} ${problem}; ${repair}`,
    { details: { path } },
  );
}
