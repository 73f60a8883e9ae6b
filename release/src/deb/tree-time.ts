import { chmod, lstat, lutimes, readdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../run.ts";

/** What a package's files are dated: the commit they are of, unless somebody says. @returns seconds */
export async function sourceDate(root: string): Promise<number> {
  const said =
    process.env["SOURCE_DATE_EPOCH"] ?? (await run("git", ["log", "-1", "--format=%ct"], { cwd: root }));
  const seconds = Number(said.trim());
  if (!Number.isSafeInteger(seconds) || seconds <= 0) throw new Error(`SOURCE_DATE_EPOCH=${said} is no time`);
  return seconds;
}

/** Takes out of a tree what is of the machine that made it: times, and what umask and extraction made of modes. */
export async function normalise(path: string, seconds: number): Promise<void> {
  const entry = await lstat(path);
  if (entry.isDirectory()) {
    for (const name of await readdir(path)) await normalise(join(path, name), seconds);
    await chmod(path, 0o755);
  }
  await lutimes(path, seconds, seconds);
}
