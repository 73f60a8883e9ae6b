import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { ioError } from "../errors/io-error.ts";
import { cancelledError, type OpContext } from "../image/op-context.ts";

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 500;

/**
 * A lock between processes that the kernel releases when its holder dies, however it dies: an exclusive transaction on
 * an empty SQLite database, which SQLite implements with a file lock (Node itself has none). Within a process it
 * excludes too.
 */
export class ExclusiveLock implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** @returns undefined when somebody else holds it */
  static try(path: string): ExclusiveLock | undefined {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: 0 });
      database.exec("BEGIN EXCLUSIVE");
      return new ExclusiveLock(database);
    } catch (error) {
      database?.close();
      if (isBusy(error)) return undefined;
      throw ioError(error, `locking ${path}`);
    }
  }

  /**
   * Waits for as long as it takes.
   * @throws `Cancelled`
   */
  static async acquire(path: string, ctx: OpContext): Promise<ExclusiveLock> {
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      const lock = ExclusiveLock.try(path);
      if (lock) return lock;
      await sleep(wait, undefined, { signal: ctx.signal }).catch(() => {
        throw cancelledError(ctx.signal.reason);
      });
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** SQLITE_BUSY and SQLITE_LOCKED of sqlite3.h */
function isBusy(error: unknown): boolean {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  return code === 5 || code === 6;
}
