import { randomUUID } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { LuksmithError } from "@luksmith/core";
import { publishFile, syncFile } from "./durable-file.ts";
import type { KeyEncryptionKey } from "./key-encryption-key.ts";
import { damagedStore } from "./store-error.ts";

/** "LkSm". */
const APPLICATION_ID = 0x4c6b536d;
const VERSION = 1;

const SCHEMA = `
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${VERSION};
  CREATE TABLE store (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    check_nonce BLOB NOT NULL,
    check_wrapped BLOB NOT NULL
  ) STRICT;
  CREATE TABLE secrets (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    nonce BLOB NOT NULL,
    wrapped BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX secrets_by_name ON secrets (name, id);
`;

/** Sealed at creation and opened at each start: tells a wrong key before it is used. */
const CHECK_VALUE = Buffer.from("luksmith key check value");

export interface StoreFile {
  readonly database: DatabaseSync;
  /** Which store this is; every secret is bound to it. */
  readonly storeId: string;
}

/**
 * Makes an empty store whose key is `key`, whole or not at all.
 * @returns false when another process made one first
 */
export function createStoreFile(path: string, key: KeyEncryptionKey): boolean {
  return publishFile(path, (temporary) => {
    closeSync(openSync(temporary, "wx", 0o600));
    const database = openDatabase(temporary, 0);
    try {
      const id = randomUUID();
      const { nonce, wrapped } = key.seal(CHECK_VALUE, checkBinding(id));
      database.exec(`BEGIN; ${SCHEMA}`);
      database.prepare("INSERT INTO store VALUES (1, ?, ?, ?)").run(id, nonce, wrapped);
      database.exec("COMMIT; PRAGMA journal_mode = WAL");
    } finally {
      database.close();
    }
    syncFile(temporary);
  });
}

/**
 * Opens a store. Nothing is written until it has proven to be ours and of this version.
 * @throws `KeyStoreUnsafe`, `KeyEncryptionKeyWrong`
 */
export function openStoreFile(path: string, key: KeyEncryptionKey, busyTimeoutMs: number): StoreFile {
  const database = openDatabase(path, busyTimeoutMs);
  try {
    checkVersion(database, path);
    const storeId = checkKey(database, path, key);
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA secure_delete = ON;
    `);
    return { database, storeId };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** How many secrets a store holds that cannot be opened for want of its key. */
export function countSecrets(path: string, busyTimeoutMs: number): number {
  const database = openDatabase(path, busyTimeoutMs);
  try {
    checkVersion(database, path);
    return Number(database.prepare("SELECT count(*) AS total FROM secrets").get()?.["total"]);
  } finally {
    database.close();
  }
}

function openDatabase(path: string, busyTimeoutMs: number): DatabaseSync {
  // Without `mode=rw` SQLite would make an empty database of a file that is gone.
  const url = pathToFileURL(path);
  url.searchParams.set("mode", "rw");
  const database = new DatabaseSync(url, { timeout: busyTimeoutMs, allowExtension: false, defensive: true });
  database.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
  return database;
}

function checkVersion(database: DatabaseSync, path: string): void {
  const application = database.prepare("PRAGMA application_id").get()?.["application_id"];
  if (application !== APPLICATION_ID) throw damagedStore(path, "it is not a Luksmith key store");
  const version = database.prepare("PRAGMA user_version").get()?.["user_version"];
  if (version !== VERSION) {
    throw new LuksmithError(
      "KeyStoreUnsafe",
      `the key store ${path} has version ${String(version)} and this Luksmith knows ${VERSION}; ` +
        "it was left as it is; install the Luksmith that wrote it, or a newer one",
      { details: { path, version, supported: VERSION } },
    );
  }
}

function checkKey(database: DatabaseSync, path: string, key: KeyEncryptionKey): string {
  const row = database.prepare("SELECT id, check_nonce, check_wrapped FROM store").get();
  const { id, check_nonce: nonce, check_wrapped: wrapped } = row ?? {};
  if (typeof id !== "string" || !(nonce instanceof Uint8Array) || !(wrapped instanceof Uint8Array)) {
    throw damagedStore(path, "it does not say which store it is");
  }
  if (key.unseal({ nonce, wrapped }, checkBinding(id)) === undefined) {
    throw new LuksmithError(
      "KeyEncryptionKeyWrong",
      `the key in ${key.path} is not the one that wraps the secrets in ${path}; ` +
        "put back the key and the store from the same backup; nothing was changed",
      { details: { path, keyPath: key.path, storeId: id } },
    );
  }
  return id;
}

function checkBinding(storeId: string): readonly string[] {
  return ["luksmith keymgr-local check 1", storeId];
}
