import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { ioError } from "../../errors/io-error.ts";
import { cancelledError, type OpContext } from "../../image/op-context.ts";

const WAIT_MS = 10;

/** Two locks for each base, beside Nova's: one has who makes it, the other who takes it and who removes it. */
export function lockPath(directory: string, base: string, kind: "maker" | "users"): string {
  return join(directory, "..", "locks", `luksmith-${base}${kind === "maker" ? "" : ".users"}.sqlite`);
}

export async function makeLockDirectory(directory: string): Promise<void> {
  await mkdir(join(directory, "..", "locks"), { recursive: true, mode: 0o755 });
}

/**
 * Keeps a base from being removed. Shared by any number of holders in any number of processes, released by the kernel
 * when its holder dies: a read transaction on an empty SQLite database, on which `ExclusiveLock` then fails. One that
 * nobody disposes ends when it is collected.
 */
export class BaseLease implements Disposable {
  #database: DatabaseSync | undefined;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Waits while the base is being removed, which takes milliseconds.
   * @throws `Cancelled`
   */
  static async acquire(path: string, ctx: OpContext): Promise<BaseLease> {
    for (;;) {
      const lease = BaseLease.#try(path);
      if (lease) return lease;
      await sleep(WAIT_MS, undefined, { signal: ctx.signal }).catch(() => {
        throw cancelledError(ctx.signal.reason);
      });
    }
  }

  static #try(path: string): BaseLease | undefined {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: 0 });
      // The lock comes with the first read, not with BEGIN.
      database.exec("BEGIN; SELECT 1 FROM sqlite_schema");
      return new BaseLease(database);
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
