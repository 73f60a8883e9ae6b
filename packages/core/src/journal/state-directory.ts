import { type BigIntStats, lstatSync, mkdirSync } from "node:fs";
import { errnoOf, ioError } from "../errors/io-error.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";

/**
 * Checks that the directory for journal, inventory and keys belongs to us alone; makes it (0700) when asked to.
 * @returns false: it does not exist and was not to be made
 * @throws `StateDirectoryUnsafe` with the command that repairs it
 */
export function checkStateDirectory(path: string, options: { readonly create: boolean }): boolean {
  if (options.create) makeDirectory(path);
  const stat = statOf(path);
  if (!stat) return false;
  const unsafe = (problem: string, repair: string): never => {
    throw new LuksmithError("StateDirectoryUnsafe", `the state directory ${path} ${problem}; ${repair}`, {
      details: { path },
    });
  };
  const me = process.geteuid?.() ?? 0;
  if (!stat.isDirectory()) unsafe("is not a directory", "set [luksmith] state_path to one");
  if (Number(stat.uid) !== me) unsafe(`belongs to uid ${stat.uid}, not to ${me}`, `run: chown ${me} ${path}`);
  if ((stat.mode & 0o077n) !== 0n) {
    unsafe(
      `has mode ${(stat.mode & 0o7777n).toString(8).padStart(4, "0")}, open to others`,
      `run: chmod 0700 ${path}`,
    );
  }
  return true;
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) === "EEXIST" || errnoOf(error) === "ENOTDIR") return; // judged below
    throw ioError(error, `making the state directory ${path}`);
  }
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw ioError(error, `looking at the state directory ${path}`);
  }
}
