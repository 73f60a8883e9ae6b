import { existsSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { corruptJournal } from "./journal-error.ts";
import { APPLICATION_ID, MIGRATIONS } from "./schema.ts";

/** Bytes of the smallest SQLite page: less is no database. SQLite would take it for a new one. */
const LEAST_BYTES = 512;

/**
 * Whether there is a database at `path`.
 * @throws `JournalCorrupt` for a file that is none, and for a log whose database is gone: SQLite would replay it into
 * the next one
 */
export function databaseExists(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    if (existsSync(`${path}-wal`)) throw corruptJournal(path, `it is gone, but ${path}-wal is still there`);
    return false;
  }
  if (stat.size < LEAST_BYTES)
    throw corruptJournal(path, stat.size === 0 ? "it is empty" : "it is cut short");
  return true;
}

/**
 * Looks at a database without changing it or its log, which closing a connection that may write would do.
 * @returns its schema's version
 * @throws `JournalCorrupt`
 */
export function checkDatabase(path: string, options: { readonly thorough: boolean }): number {
  using database = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  const pragma = (name: string): unknown => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  if (Number(pragma("application_id")) !== APPLICATION_ID) {
    throw corruptJournal(path, "it is a database of another program");
  }
  const version = Number(pragma("user_version"));
  if (version > MIGRATIONS.length) {
    throw corruptJournal(
      path,
      `it was written by a newer version (schema ${version}, known ${MIGRATIONS.length})`,
    );
  }
  const check = options.thorough ? pragma("quick_check(1)") : "ok";
  if (check !== "ok") throw corruptJournal(path, String(check));
  return version;
}
