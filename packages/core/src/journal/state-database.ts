import { closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { ioError } from "../errors/io-error.ts";
import { isLuksmithError, LuksmithError } from "../errors/luksmith-error.ts";
import { APPLICATION_ID, MIGRATIONS } from "./schema.ts";

export const STATE_FILE = "luksmith.sqlite";

/** SQLITE_CORRUPT and SQLITE_NOTADB of sqlite3.h */
const DAMAGED = new Set([11, 26]);
/** SQLITE_FULL and SQLITE_IOERR */
const FULL = 13;

/** A row as node:sqlite gives it. */
export type Row = Record<string, unknown>;

/**
 * The SQLite database under journal and inventory: WAL, synchronous FULL, so that what was committed survives a power
 * cut. One writer (see `StateLock`), any number of readers.
 */
export class StateDatabase implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #path: string;

  private constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
  }

  /**
   * @returns undefined where there is none yet and the mode is `read`
   * @throws `JournalCorrupt`: the file is kept as it is
   */
  static open(statePath: string, mode: "read" | "write"): StateDatabase | undefined {
    const path = join(statePath, STATE_FILE);
    if (mode === "read" && !existsSync(path)) return undefined;
    try {
      if (mode === "write") closeSync(openSync(path, "a", 0o600));
      const database = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true });
      const state = new StateDatabase(database, path);
      state.#prepare(mode);
      return state;
    } catch (error) {
      throw damage(error, path);
    }
  }

  /** Runs `work` as one durable transaction: all of it or nothing. */
  transaction<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw damage(error, this.#path);
    }
  }

  run(sql: string, ...values: SQLInputValue[]): void {
    this.#guard(() => this.#statement(sql).run(...values));
  }

  all(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#guard(() => this.#statement(sql).all(...values));
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#statement(sql).get(...values));
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    this.#database.close();
  }

  #prepare(mode: "read" | "write"): void {
    const pragma = (name: string): unknown =>
      Object.values(this.#database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    const version = Number(pragma("user_version"));
    const application = Number(pragma("application_id"));
    const fresh = version === 0 && application === 0 && Number(pragma("page_count")) === 0;
    if (!fresh && application !== APPLICATION_ID) {
      throw corrupt(this.#path, "it is a database of another program");
    }
    if (version > MIGRATIONS.length) {
      throw corrupt(
        this.#path,
        `it was written by a newer version (schema ${version}, known ${MIGRATIONS.length})`,
      );
    }
    if (mode === "read") {
      if (fresh) throw corrupt(this.#path, "it is empty");
      this.#database.exec("PRAGMA query_only = ON");
      return;
    }
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    const check = pragma("quick_check(1)");
    if (check !== "ok") throw corrupt(this.#path, String(check));
    if (version < MIGRATIONS.length) this.transaction(() => this.#migrate(version));
  }

  #migrate(from: number): void {
    this.#database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    for (const migration of MIGRATIONS.slice(from)) this.#database.exec(migration);
    this.#database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw damage(error, this.#path);
    }
  }
}

function corrupt(path: string, why: string, cause?: unknown): LuksmithError {
  return new LuksmithError(
    "JournalCorrupt",
    `the journal ${path} cannot be trusted: ${why}; it was kept as it is. Stop all agents, copy the file away, restore a backup, or repair it with "sqlite3 ${path} .recover"; the disks themselves are untouched`,
    { details: { path }, ...(cause === undefined ? {} : { cause }) },
  );
}

function damage(error: unknown, path: string): Error {
  if (isLuksmithError(error)) return error;
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  const reason = error instanceof Error ? error.message : String(error);
  if (DAMAGED.has(code)) return corrupt(path, reason, error);
  if (code === FULL) {
    return new LuksmithError(
      "NoSpace",
      `writing the journal ${path} failed: ${reason}; free space, then try again`,
      {
        cause: error,
      },
    );
  }
  return ioError(error, `using the journal ${path}`);
}
