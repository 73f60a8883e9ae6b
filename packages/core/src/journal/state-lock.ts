import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { errnoOf, ioError } from "../errors/io-error.ts";

/** Who holds the state directory; written for the message of those refused. */
export interface LockHolder {
  readonly pid: number;
  readonly command: string;
  /** ISO 8601 */
  readonly since: string;
}

/**
 * The one-writer lock of a state directory. The kernel releases it when the process dies, however it dies: it is an
 * exclusive transaction on a database of its own, which SQLite implements with a file lock.
 */
export class StateLock implements Disposable {
  readonly #database: DatabaseSync;
  readonly #holderFile: string;

  private constructor(database: DatabaseSync, holderFile: string) {
    this.#database = database;
    this.#holderFile = holderFile;
  }

  /**
   * @param waitMs how long to wait for another holder, 0: not at all
   * @throws `StateLocked` naming the holder
   */
  static acquire(statePath: string, command: string, waitMs = 0): StateLock {
    const holderFile = join(statePath, "lock-holder.json");
    const database = openLock(join(statePath, "lock.sqlite"), waitMs);
    try {
      database.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      database.close();
      if (!isBusy(error)) throw ioError(error, `locking the state directory ${statePath}`);
      throw locked(statePath, readHolder(holderFile));
    }
    const holder: LockHolder = { pid: process.pid, command, since: new Date().toISOString() };
    writeFileSync(holderFile, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
    return new StateLock(database, holderFile);
  }

  [Symbol.dispose](): void {
    rmSync(this.#holderFile, { force: true });
    this.#database.close();
  }
}

function openLock(path: string, waitMs: number): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: waitMs });
  } catch (error) {
    throw ioError(error, `opening the lock ${path}`);
  }
}

/** SQLITE_BUSY and SQLITE_LOCKED of sqlite3.h */
function isBusy(error: unknown): boolean {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  return code === 5 || code === 6;
}

function readHolder(path: string): LockHolder | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isHolder(value) ? value : undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw ioError(error, `reading ${path}`);
  }
}

function isHolder(value: unknown): value is LockHolder {
  return (
    typeof value === "object" && value !== null && "pid" in value && "command" in value && "since" in value
  );
}

function locked(statePath: string, holder: LockHolder | undefined): LuksmithError {
  const who = holder ? `process ${holder.pid} (${holder.command}, since ${holder.since})` : "another process";
  return new LuksmithError(
    "StateLocked",
    `${who} is working on ${statePath}; wait for it, or stop it, then try again`,
    {
      details: { statePath, holder },
      retryable: true,
    },
  );
}
