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
import type { KvStore } from "./kv-store.ts";
import { folderOfName, newId, pathOfId, requireName } from "./secret-id.ts";
import { vaultError } from "./vault-error.ts";
import { storeSecret } from "./store-secret.ts";

/** How many are looked at together when all are listed. */
const TOGETHER = 8;

/**
 * Keeps passphrases in a KV engine of version 2, in the host's own name: all users of the host are the same to it.
 *
 * Besides what the contract names, every method may throw `AuthenticationFailed` (the host's token or role),
 * `KeyStoreUnsafe` (its file is open to others), `ServiceRefused` and `Cancelled`. Of `KeyManagerUnavailable`,
 * `details.reason` tells why: `sealed`, `standby`, `rate-limited`, `unreachable`, `timeout`, ….
 */
export class VaultKeyManager implements KeyManager {
  readonly name = "vault";
  readonly #store: KvStore;
  #closed = false;

  constructor(store: KvStore) {
    this.#store = store;
  }

  async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    this.#throwIfDone(ctx);
    requireName(request.name);
    const id = newId(request.name);
    await storeSecret(this.#store, id, request, ctx);
    ctx.log.debug({ secretId: id, name: request.name }, "stored a secret");
    return { id };
  }

  async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    this.#throwIfDone(ctx);
    const { id } = ref;
    const path = pathOfId(id);
    if (path === undefined) {
      throw new LuksmithError(
        "EphemeralEncryptionSecretNotFound",
        `Vault has no secret ${JSON.stringify(id)}: ids are UUIDs`,
        { details: { id } },
      );
    }
    const action = `give out the secret ${id}`;
    return Passphrase.take(await telling({ action, id }, () => this.#store.read(path, ctx)));
  }

  async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    this.#throwIfDone(ctx);
    const { id } = ref;
    const path = pathOfId(id);
    if (path === undefined) return;
    await telling({ action: `delete the secret ${id}`, id }, () => this.#store.remove(path, ctx));
    ctx.log.debug({ secretId: id }, "deleted a secret");
  }

  async *list({ name }: SecretFilter, ctx: OpContext): AsyncIterable<SecretInfo> {
    this.#throwIfDone(ctx);
    const attempt = { action: "list secrets" };
    const folders =
      name === undefined
        ? (await telling(attempt, () => this.#store.list(undefined, ctx))).map((key) =>
            key.replace(/\/$/, ""),
          )
        : [folderOfName(name)];
    for (const folder of folders) {
      const ids = await telling(attempt, () => this.#store.list(folder, ctx));
      for (let at = 0; at < ids.length; at += TOGETHER) {
        const some = ids.slice(at, at + TOGETHER).filter((id) => pathOfId(id) === `${folder}/${id}`);
        const looking = some.map((id) => this.#store.describe(`${folder}/${id}`, id, ctx));
        for (const info of await telling(attempt, () => Promise.all(looking))) {
          if (info && (name === undefined || info.name === name)) yield info;
        }
      }
    }
  }

  /** Idempotent; every other method fails afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#store.close();
  }

  #throwIfDone(ctx: OpContext): void {
    throwIfCancelled(ctx);
    if (!this.#closed) return;
    throw new LuksmithError("KeyManagerUnavailable", "the key manager vault was closed", {
      retryable: false,
      details: { maybeDone: false },
    });
  }
}

async function telling<T>(attempt: Parameters<typeof vaultError>[1], act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw vaultError(error, attempt);
  }
}
