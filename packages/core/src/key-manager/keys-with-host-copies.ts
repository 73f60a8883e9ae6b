import type { Passphrase } from "@luksmith/luks";
import type { OpContext } from "../image/op-context.ts";
import type { HostCopies } from "./host-copies.ts";
import type { CreateSecret, KeyManager, SecretRef } from "./key-manager.ts";

/** `[luksmith] secret_security`. */
export type SecretSecurity = "user" | "host";

/**
 * A key manager that answers each user for himself, and beside it sealed copies on this host. Under `host` each new
 * secret gets a copy, which is read where nobody's token came along. Under `user` copies are neither made nor read, but
 * those of earlier days go with their secrets.
 */
export class KeysWithHostCopies implements KeyManager {
  readonly list?: NonNullable<KeyManager["list"]>;
  readonly scope?: NonNullable<KeyManager["scope"]>;
  readonly caller?: NonNullable<KeyManager["caller"]>;
  readonly #keys: KeyManager;
  readonly #copies: HostCopies;
  readonly #security: SecretSecurity;

  constructor(keys: KeyManager, copies: HostCopies, security: SecretSecurity) {
    this.#keys = keys;
    this.#copies = copies;
    this.#security = security;
    if (keys.list) this.list = keys.list.bind(keys);
    if (keys.scope) this.scope = keys.scope.bind(keys);
    if (keys.caller) this.caller = keys.caller.bind(keys);
  }

  get name(): string {
    return this.#keys.name;
  }

  async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    const ref = await this.#keys.create(request, ctx);
    if (this.#security === "user") return ref;
    try {
      await this.#copies.put({ ...ref, name: request.name }, request.passphrase, ctx);
      return ref;
    } catch (error) {
      // Whoever called has no reference to undo by; a key manager that cannot list would keep the secret for ever.
      await this.delete(ref, ctx).catch((second: unknown) =>
        ctx.log.error({ secretId: ref.id, err: second }, "could not delete a secret that has no copy"),
      );
      throw error;
    }
  }

  async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    if (this.#security === "host" && !ctx.userToken) {
      const copy = await this.#copies.get(ref, ctx);
      if (copy) return copy;
    }
    return this.#keys.get(ref, ctx);
  }

  /** The copy first: it must not outlive its secret. */
  async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    await this.#copies.delete(ref, ctx);
    await this.#keys.delete(ref, ctx);
  }
}
