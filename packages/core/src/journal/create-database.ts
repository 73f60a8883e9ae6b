import { closeSync, constants, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { APPLICATION_ID, MIGRATIONS } from "./schema.ts";

/**
 * Makes an empty database appear whole or not at all, so that one that is empty or half made is always damage. Only for
 * the holder of the state lock, who also sweeps what a killed process left of an earlier try.
 */
export function createDatabase(path: string): void {
  const temporary = `${path}.new`;
  for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(temporary + suffix, { force: true });
  closeSync(openSync(temporary, "wx", 0o600));
  const database = new DatabaseSync(temporary);
  try {
    migrate(database, 0);
    database.exec("PRAGMA journal_mode = WAL");
  } finally {
    database.close();
  }
  sync(temporary, constants.O_RDONLY);
  renameSync(temporary, path);
  sync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
}

/** Brings the schema from version `from` to the present one, in one transaction. */
export function migrate(database: DatabaseSync, from: number): void {
  const steps = MIGRATIONS.slice(from).join(";");
  database.exec(
    `BEGIN IMMEDIATE; PRAGMA application_id = ${APPLICATION_ID}; ${steps}; PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`,
  );
}

function sync(path: string, flags: number): void {
  const fd = openSync(path, flags);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
