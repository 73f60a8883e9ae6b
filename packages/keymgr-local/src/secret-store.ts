import { lstatSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { LuksmithError, type SecretInfo } from "@luksmith/core";
import type { KeyEncryptionKey } from "./key-encryption-key.ts";
import { damagedStore } from "./store-error.ts";
import type { StoreFile } from "./store-file.ts";

const PAGE_ROWS = 256;

/** An open store with its key. Owns both; `close` ends both. */
export class SecretStore {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #storeId: string;
  readonly #key: KeyEncryptionKey;
  readonly #identity: string;
  readonly #insert: StatementSync;
  readonly #replace: StatementSync;
  readonly #select: StatementSync;
  readonly #delete: StatementSync;
  readonly #page: StatementSync;
  readonly #pageByName: StatementSync;

  /** Takes over `file` and `key`; closes the file if its tables are not ours. */
  static open(path: string, file: StoreFile, key: KeyEncryptionKey): SecretStore {
    try {
      return new SecretStore(path, file, key);
    } catch (error) {
      file.database.close();
      throw error;
    }
  }

  private constructor(path: string, file: StoreFile, key: KeyEncryptionKey) {
    this.path = path;
    this.#database = file.database;
    this.#storeId = file.storeId;
    this.#key = key;
    this.#identity = identityOf(path);
    const prepare = (sql: string) => file.database.prepare(sql);
    this.#insert = prepare(
      "INSERT INTO secrets (id, name, created_at, nonce, wrapped) VALUES (?, ?, ?, ?, ?)",
    );
    this.#replace = prepare(
      "UPDATE secrets SET id = ?, name = ?, created_at = ?, nonce = ?, wrapped = ? WHERE id = ?",
    );
    this.#select = prepare("SELECT id, name, created_at, nonce, wrapped FROM secrets WHERE id = ?");
    this.#delete = prepare("DELETE FROM secrets WHERE id = ?");
    const columns = "SELECT id, name, created_at FROM secrets";
    this.#page = prepare(`${columns} WHERE id > ? ORDER BY id LIMIT ${PAGE_ROWS}`);
    this.#pageByName = prepare(`${columns} WHERE id > ? AND name = ? ORDER BY id LIMIT ${PAGE_ROWS}`);
  }

  /** Durable when it returns. `plain` stays the caller's. */
  insert(info: SecretInfo, plain: Uint8Array): void {
    this.#checkInPlace();
    const { nonce, wrapped } = this.#key.seal(plain, this.#binding(info));
    this.#insert.run(info.id, info.name, info.createdAt, nonce, wrapped);
  }

  /** As `insert`, in the place of one with the same id: there is the old one or the new one, whenever the power fails. */
  replace(info: SecretInfo, plain: Uint8Array): void {
    this.#checkInPlace();
    const { nonce, wrapped } = this.#key.seal(plain, this.#binding(info));
    const { changes } = this.#replace.run(info.id, info.name, info.createdAt, nonce, wrapped, info.id);
    if (changes > 0) return;
    this.#insert.run(info.id, info.name, info.createdAt, nonce, wrapped);
  }

  /**
   * The plain bytes, which the caller wipes; `undefined` when there is no such secret.
   * @throws `SecretTampered`
   */
  find(id: string): Uint8Array | undefined {
    this.#checkInPlace();
    const row = this.#select.get(id);
    if (row === undefined) return undefined;
    const { nonce, wrapped } = row;
    const plain =
      nonce instanceof Uint8Array && wrapped instanceof Uint8Array
        ? this.#key.unseal({ nonce, wrapped }, this.#binding(infoOf(row)))
        : undefined;
    if (plain !== undefined) return plain;
    throw new LuksmithError(
      "SecretTampered",
      `the secret ${id} in ${this.path} is not what was stored; it was left as it is; ` +
        "put back the store from a backup, and find out who can write to it",
      { details: { id, path: this.path } },
    );
  }

  /** When the secret was stored, ISO 8601; undefined when there is none. */
  createdAt(id: string): string | undefined {
    this.#checkInPlace();
    const row = this.#select.get(id);
    return row && infoOf(row).createdAt;
  }

  /** Overwrites the secret's row; nothing happens when there is none. Durable when it returns. */
  remove(id: string): void {
    this.#checkInPlace();
    if (this.#delete.run(id).changes === 0) return;
    try {
      // The log keeps a copy of the row until it is written back and cut.
      this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // The secret is gone for good all the same; SQLite writes the log back later.
    }
  }

  /** Up to 256 secrets after the id `after`, in the order of their ids; an empty `after` begins. */
  page(after: string, name: string | undefined): readonly SecretInfo[] {
    this.#checkInPlace();
    const rows = name === undefined ? this.#page.all(after) : this.#pageByName.all(after, name);
    return rows.map(infoOf);
  }

  close(): void {
    this.#key[Symbol.dispose]();
    this.#database.close();
  }

  #binding({ id, name, createdAt }: SecretInfo): readonly string[] {
    return ["luksmith keymgr-local secret 1", this.#storeId, id, name, createdAt];
  }

  /** SQLite goes on writing to a database that was unlinked: the secrets would be gone with the process. */
  #checkInPlace(): void {
    if (identityOf(this.path) !== this.#identity) {
      throw damagedStore(
        this.path,
        "it was removed or replaced while in use; stop Luksmith before you restore it",
      );
    }
  }
}

function identityOf(path: string): string {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats === undefined ? "" : `${stats.dev}:${stats.ino}`;
}

function infoOf(row: Record<string, unknown>): SecretInfo {
  return { id: String(row["id"]), name: String(row["name"]), createdAt: String(row["created_at"]) };
}
