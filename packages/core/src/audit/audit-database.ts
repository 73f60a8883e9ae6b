import { join } from "node:path";
import { checkDatabase, databaseExists } from "../journal/check-database.ts";
import { MIGRATIONS } from "../journal/schema.ts";
import { STATE_FILE, StateDatabase } from "../journal/state-database.ts";
import { checkStateDirectory } from "../journal/state-directory.ts";
import { StateLock } from "../journal/state-lock.ts";

/**
 * The state database for a process that only looks at the host, and whose use of keys has to be told: beside the one that
 * writes, which it excludes for the length of a transaction only.
 * @throws `StateLocked` where the database is of an older version, and in use
 */
export function openBesideWriter(statePath: string): StateDatabase {
  checkStateDirectory(statePath, { create: true });
  const path = join(statePath, STATE_FILE);
  const version = databaseExists(path) ? checkDatabase(path, { thorough: false }) : 0;
  using _lock =
    version < MIGRATIONS.length ? StateLock.acquire(statePath, "opening the audit log") : undefined;
  const database = StateDatabase.open(statePath, "write");
  if (!database) throw new Error("a database opened for writing exists");
  return database;
}
