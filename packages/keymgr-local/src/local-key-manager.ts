import { randomUUID } from "node:crypto";
import { join } from "node:path";
import {
  type CreateSecret,
  type KeyManager,
  LuksmithError,
  type OpContext,
  Passphrase,
  type SecretFilter,
  type SecretInfo,
  type SecretRef,
  throwIfCancelled,
} from "@luksmith/core";
import { openStore, storePath, type StorePlaces } from "./open-store.ts";
import type { SecretStore } from "./secret-store.ts";
import { storeError } from "./store-error.ts";

/** Castellan's and Barbican's limit, so that a name fits every key manager. */
const NAME_CHARACTERS = 255;

/** All paths are absolute. */
export interface LocalKeyManagerOptions {
  /** The directory of the store; made (0700) if its parent exists. */
  readonly statePath: string;
  /** The key-encryption key's file; `key-encryption-key` in the state directory by default. */
  readonly keyFile?: string | undefined;
  /** systemd's `$CREDENTIALS_DIRECTORY`; a key in it goes before the key file. */
  readonly credentialsDirectory?: string | undefined;
  /** How long to wait for another process that writes; 5000 by default. */
  readonly busyTimeoutMs?: number | undefined;
}

/**
 * Keeps passphrases in SQLite on this host, each wrapped by AES-256-GCM under a key-encryption key. Opens at first use;
 * a store that could not be opened is tried again by the next call.
 *
 * Every method may throw, besides what the contract names, `StateDirectoryUnsafe`, `KeyStoreUnsafe`,
 * `KeyEncryptionKeyMissing`, `KeyEncryptionKeyWrong`, `NoSpace`, `PermissionDenied`, `IoError` and `Cancelled`.
 */
export class LocalKeyManager implements KeyManager {
  readonly name = "local";
  readonly #places: StorePlaces;
  #store: SecretStore | undefined;
  #closed = false;

  constructor(options: LocalKeyManagerOptions) {
    this.#places = {
      statePath: options.statePath,
      keyFile: options.keyFile ?? join(options.statePath, "key-encryption-key"),
      credentialsDirectory: options.credentialsDirectory,
      busyTimeoutMs: options.busyTimeoutMs ?? 5000,
    };
  }

  async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    checkName(request.name);
    const info = { id: randomUUID(), name: request.name, createdAt: new Date().toISOString() };
    this.#run(ctx, (store) => request.passphrase.use((bytes) => store.insert(info, bytes)));
    ctx.log.debug({ secretId: info.id, name: info.name }, "stored a secret");
    return { id: info.id };
  }

  async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    const plain = this.#run(ctx, (store) => store.find(ref.id));
    if (plain !== undefined) return Passphrase.take(plain);
    throw new LuksmithError(
      "EphemeralEncryptionSecretNotFound",
      `there is no secret ${ref.id} in ${storePath(this.#places)}; it was deleted, or another key manager has it`,
      { details: { id: ref.id, path: storePath(this.#places) } },
    );
  }

  async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    this.#run(ctx, (store) => store.remove(ref.id));
    ctx.log.debug({ secretId: ref.id }, "deleted a secret");
  }

  async *list(filter: SecretFilter, ctx: OpContext): AsyncIterable<SecretInfo> {
    for (let after = ""; ;) {
      // By pages: an open cursor would keep other processes' deletions from being written back.
      const page = this.#run(ctx, (store) => store.page(after, filter.name));
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  /** Wipes the key. Idempotent; every other method fails afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#store?.close();
    this.#store = undefined;
  }

  #run<T>(ctx: OpContext, act: (store: SecretStore) => T): T {
    throwIfCancelled(ctx);
    if (this.#closed) {
      throw new LuksmithError("KeyManagerUnavailable", "the local key manager was closed", {
        retryable: false,
      });
    }
    try {
      this.#store ??= openStore(this.#places, ctx);
      return act(this.#store);
    } catch (error) {
      throw storeError(error, storePath(this.#places));
    }
  }
}

/** Ill-formed text and NUL would come back from SQLite as another name than was sealed. */
function checkName(name: string): void {
  if (name === "" || name.length > NAME_CHARACTERS || !name.isWellFormed() || name.includes("\0")) {
    throw new LuksmithError(
      "InvalidRequest",
      `a secret's name is 1 to ${NAME_CHARACTERS} characters of well-formed text without NUL`,
      { details: { length: name.length } },
    );
  }
}
