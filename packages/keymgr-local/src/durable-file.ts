import { randomUUID } from "node:crypto";
import { closeSync, constants, fsyncSync, linkSync, lstatSync, openSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";

/**
 * Makes the file `path` appear whole or not at all, and never in place of another. `build` gets the name of a
 * temporary file to create (0600), fill and sync. Durable when it returns.
 *
 * @returns false when somebody else made `path` first: theirs stands, ours is gone
 */
export function publishFile(path: string, build: (temporary: string) => void): boolean {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.new`);
  try {
    build(temporary);
    linkSync(temporary, path);
    rmSync(temporary);
    syncDirectory(dirname(path));
    return true;
  } catch (error) {
    removeTemporary(temporary);
    // Whoever was first also sweeps our temporary file away, so any failure may be the lost race.
    if (fileExists(path)) return false;
    throw error;
  }
}

/** Removes what killed processes left of `publishFile(path)`. Call it only when `path` exists. */
export function sweepTemporaries(path: string): void {
  const name = basename(path).replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const pattern = new RegExp(String.raw`^\.${name}\.${UUID}\.new(?:-journal|-wal|-shm)?$`);
  const directory = dirname(path);
  for (const entry of readdirSync(directory)) {
    if (pattern.test(entry)) rmSync(join(directory, entry), { force: true });
  }
}

/** Makes the names in a directory durable. */
export function syncDirectory(path: string): void {
  syncAt(path, constants.O_RDONLY | constants.O_DIRECTORY);
}

/** Makes a file's bytes durable. */
export function syncFile(path: string): void {
  syncAt(path, constants.O_RDONLY | constants.O_NOFOLLOW);
}

/** Whether there is anything of that name, a dangling link included. */
export function fileExists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function syncAt(path: string, flags: number): void {
  const fd = openSync(path, flags);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function removeTemporary(temporary: string): void {
  try {
    rmSync(temporary, { force: true });
    for (const suffix of ["-journal", "-wal", "-shm"]) rmSync(temporary + suffix, { force: true });
  } catch {
    // The error that brought us here is the one to report; the next start sweeps.
  }
}
