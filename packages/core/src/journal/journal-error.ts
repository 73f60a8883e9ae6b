import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { ioError } from "../errors/io-error.ts";
import { isLuksmithError, LuksmithError } from "../errors/luksmith-error.ts";

/** SQLITE_CORRUPT and SQLITE_NOTADB of sqlite3.h */
const DAMAGED = new Set([11, 26]);
/** SQLITE_FULL, and SQLITE_IOERR, which SQLite says where it cannot grow what it shares between processes. */
const FULL = 13;
const IO_ERROR = 10;
/** Bytes free below which a failed write is put down to want of space: what SQLite grows its files by. */
const LEAST_FREE = 128 * 1024;

/** @param why what is wrong with the journal, as the end of a sentence */
export function corruptJournal(path: string, why: string, cause?: unknown): LuksmithError {
  return new LuksmithError(
    "JournalCorrupt",
    `the journal ${path} cannot be trusted: ${why}; it was kept as it is. Stop all agents, copy the file away, restore a backup, or repair it with "sqlite3 ${path} .recover"; the disks themselves are untouched`,
    { details: { path }, ...(cause === undefined ? {} : { cause }) },
  );
}

/** Turns what SQLite throws into ours. */
export function journalError(error: unknown, path: string): Error {
  if (isLuksmithError(error)) return error;
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  const reason = error instanceof Error ? error.message : String(error);
  if (DAMAGED.has(code)) return corruptJournal(path, reason, error);
  if (code === FULL || (code === IO_ERROR && isFull(path))) {
    return new LuksmithError(
      "NoSpace",
      `writing the journal ${path} failed: ${reason}; free space, then try again`,
      { cause: error },
    );
  }
  return ioError(error, `using the journal ${path}`);
}

function isFull(path: string): boolean {
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize < LEAST_FREE;
}
