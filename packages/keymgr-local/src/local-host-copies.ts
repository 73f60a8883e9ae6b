import type { HostCopies, OpContext, SecretInfo, SecretRef } from "@luksmith/core";
import { Passphrase } from "@luksmith/core";
import { checkName } from "./secret-name.ts";
import { StoreDoor, type StoreOptions } from "./store-door.ts";

/**
 * Copies of another key manager's passphrases in SQLite on this host, each wrapped by AES-256-GCM under the same
 * key-encryption key as the local key manager's, in a file of its own. Throws as `LocalKeyManager` does.
 */
export class LocalHostCopies implements HostCopies {
  readonly name = "local";
  readonly #door: StoreDoor;

  constructor(options: StoreOptions) {
    this.#door = new StoreDoor(options, "host-copies.sqlite", "store of host copies");
  }

  async put(
    secret: SecretRef & { readonly name: string },
    passphrase: Passphrase,
    ctx: OpContext,
  ): Promise<void> {
    checkName(secret.name);
    const info = { id: secret.id, name: secret.name, createdAt: new Date().toISOString() };
    this.#door.run(ctx, (store) => passphrase.use((bytes) => store.replace(info, bytes)));
    ctx.log.debug({ secretId: info.id }, "sealed a copy of a secret for this host");
  }

  async get(ref: SecretRef, ctx: OpContext, since?: Date): Promise<Passphrase | undefined> {
    const plain = this.#door.run(ctx, (store) => {
      const putAt = since && store.createdAt(ref.id);
      if (!since || putAt === undefined || new Date(putAt) >= since) return store.find(ref.id);
      store.remove(ref.id);
      ctx.log.info({ secretId: ref.id, putAt }, "removed a copy of a secret that was too old");
      return undefined;
    });
    return plain && Passphrase.take(plain);
  }

  async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    this.#door.run(ctx, (store) => store.remove(ref.id));
  }

  async *list(ctx: OpContext): AsyncIterable<SecretInfo> {
    for (let after = ""; ;) {
      const page = this.#door.run(ctx, (store) => store.page(after, undefined));
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  async close(): Promise<void> {
    this.#door.close();
  }
}
