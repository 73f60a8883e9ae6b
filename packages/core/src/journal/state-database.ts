import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { checkDatabase, databaseExists } from "./check-database.ts";
import { createDatabase, migrate } from "./create-database.ts";
import { journalError } from "./journal-error.ts";
import { MIGRATIONS } from "./schema.ts";

export const STATE_FILE = "luksmith.sqlite";

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
    try {
      const exists = databaseExists(path);
      if (!exists && mode === "read") return undefined;
      if (!exists) createDatabase(path);
      const version = checkDatabase(path, { thorough: mode === "write" });
      const database = new DatabaseSync(path, {
        timeout: 5000,
        enableForeignKeyConstraints: true,
        readOnly: mode === "read",
      });
      return StateDatabase.#open(database, path, mode, version);
    } catch (error) {
      throw journalError(error, path);
    }
  }

  static #open(database: DatabaseSync, path: string, mode: "read" | "write", version: number): StateDatabase {
    try {
      if (mode === "write") {
        database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
        if (version < MIGRATIONS.length) migrate(database, version);
      }
      return new StateDatabase(database, path);
    } catch (error) {
      database.close();
      throw error;
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
      throw journalError(error, this.#path);
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

  /** Whether there is such a table: a database that an older version has written, and that is only read, lacks newer ones. */
  hasTable(name: string): boolean {
    return this.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", name) !== undefined;
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    this.#database.close();
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
      throw journalError(error, this.#path);
    }
  }
}
