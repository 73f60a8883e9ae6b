import { randomUUID } from "node:crypto";
import {
  type CreateSecret,
  type KeyManager,
  LuksmithError,
  type OpContext,
  Passphrase,
  type SecretFilter,
  type SecretInfo,
  type SecretRef,
} from "@luksmith/core";
import { checkName } from "./secret-name.ts";
import { StoreDoor, type StoreOptions } from "./store-door.ts";

export type LocalKeyManagerOptions = StoreOptions;

/**
 * Keeps passphrases in SQLite on this host, each wrapped by AES-256-GCM under a key-encryption key. Opens at first use;
 * a store that could not be opened is tried again by the next call.
 *
 * Every method may throw, besides what the contract names, `StateDirectoryUnsafe`, `KeyStoreUnsafe`,
 * `KeyEncryptionKeyMissing`, `KeyEncryptionKeyWrong`, `NoSpace`, `PermissionDenied`, `IoError` and `Cancelled`.
 */
export class LocalKeyManager implements KeyManager {
  readonly name = "local";
  readonly #door: StoreDoor;

  constructor(options: LocalKeyManagerOptions) {
    this.#door = new StoreDoor(options, "keys.sqlite", "local key manager");
  }

  async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    checkName(request.name);
    const info = { id: randomUUID(), name: request.name, createdAt: new Date().toISOString() };
    this.#door.run(ctx, (store) => request.passphrase.use((bytes) => store.insert(info, bytes)));
    ctx.log.debug({ secretId: info.id, name: info.name }, "stored a secret");
    return { id: info.id };
  }

  async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    const plain = this.#door.run(ctx, (store) => store.find(ref.id));
    if (plain !== undefined) return Passphrase.take(plain);
    throw new LuksmithError(
      "EphemeralEncryptionSecretNotFound",
      `there is no secret ${ref.id} in ${this.#door.path}; it was deleted, or another key manager has it`,
      { details: { id: ref.id, path: this.#door.path } },
    );
  }

  async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    this.#door.run(ctx, (store) => store.remove(ref.id));
    ctx.log.debug({ secretId: ref.id }, "deleted a secret");
  }

  async *list(filter: SecretFilter, ctx: OpContext): AsyncIterable<SecretInfo> {
    for (let after = ""; ;) {
      // By pages: an open cursor would keep other processes' deletions from being written back.
      const page = this.#door.run(ctx, (store) => store.page(after, filter.name));
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  /** Wipes the key. Idempotent; every other method fails afterwards. */
  async close(): Promise<void> {
    this.#door.close();
  }
}
