import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { ioError } from "../errors/io-error.ts";
import { cancelledError, type OpContext } from "../image/op-context.ts";

const WAIT_MS = 10;

/**
 * Keeps an `ExclusiveLock` on the same path from being taken. Held by any number in any number of processes, released by
 * the kernel when its holder dies: a read transaction on an empty SQLite database. One that nobody disposes ends when it
 * is collected.
 */
export class SharedLock implements Disposable {
  #database: DatabaseSync | undefined;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Waits for a holder of the `ExclusiveLock`; asks often, for those that hold it briefly.
   * @throws `Cancelled`
   */
  static async acquire(path: string, ctx: OpContext): Promise<SharedLock> {
    for (;;) {
      const lock = SharedLock.#try(path);
      if (lock) return lock;
      await sleep(WAIT_MS, undefined, { signal: ctx.signal }).catch(() => {
        throw cancelledError(ctx.signal.reason);
      });
    }
  }

  static #try(path: string): SharedLock | undefined {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: 0 });
      // The lock comes with the first read, not with BEGIN.
      database.exec("BEGIN; SELECT 1 FROM sqlite_schema");
      return new SharedLock(database);
    } catch (error) {
      database?.close();
      if (isBusy(error)) return undefined;
      throw ioError(error, `locking ${path}`);
    }
  }

  [Symbol.dispose](): void {
    this.#database?.close();
    this.#database = undefined;
  }
}

/** SQLITE_BUSY of sqlite3.h */
function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && (Number(error.errcode) & 0xff) === 5;
}
