import { isLuksmithError } from "../errors/luksmith-error.ts";
import type { Passphrase } from "@luksmith/luks";
import type { OpContext } from "../image/op-context.ts";
import type { HostCopies } from "./host-copies.ts";
import type { CreateSecret, KeyManager, SecretRef } from "./key-manager.ts";

/** `[luksmith] secret_security`. */
export type SecretSecurity = "user" | "host";

/** What says nothing about the secret, nor about who asks. */
const AWAY: ReadonlySet<string> = new Set(["KeyManagerUnavailable", "IdentityUnavailable"]);

/**
 * A key manager that answers each user for himself, and beside it sealed copies on this host. Under `host` each new
 * secret gets a copy, which is read where nobody's token came along, or the key manager is away. Under `user` copies are neither made nor read, but
 * those of earlier days go with their secrets.
 */
export class KeysWithHostCopies implements KeyManager {
  readonly list?: NonNullable<KeyManager["list"]>;
  readonly scope?: NonNullable<KeyManager["scope"]>;
  readonly caller?: NonNullable<KeyManager["caller"]>;
  readonly #keys: KeyManager;
  readonly #copies: HostCopies;
  readonly #security: SecretSecurity;
  readonly #lifetimeMs: number;

  /** @param lifetimeMs how old a copy may be; 0: as old as its secret */
  constructor(keys: KeyManager, copies: HostCopies, security: SecretSecurity, lifetimeMs = 0) {
    this.#lifetimeMs = lifetimeMs;
    this.#keys = keys;
    this.#copies = copies;
    this.#security = security;
    if (keys.list) this.list = keys.list.bind(keys);
    if (keys.scope) this.scope = keys.scope.bind(keys);
    const caller = keys.caller?.bind(keys);
    if (caller) {
      this.caller = (ctx) =>
        this.#security === "host" && !ctx.userToken ? Promise.resolve(undefined) : caller(ctx);
    }
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
    if (this.#security === "user") return await this.#keys.get(ref, ctx);
    const since = oldest(this.#lifetimeMs);
    if (!ctx.userToken) return (await this.#copies.get(ref, ctx, since)) ?? (await this.#keys.get(ref, ctx));
    try {
      return await this.#keys.get(ref, ctx);
    } catch (error) {
      // The host may open its disks by itself; a service that is away is no refusal.
      if (!isLuksmithError(error) || !AWAY.has(error.code)) throw error;
      const copy = await this.#copies.get(ref, ctx, since);
      if (!copy) throw error;
      ctx.log.warn(
        { secretId: ref.id, code: error.code },
        "the key manager is away; using the copy on this host",
      );
      return copy;
    }
  }

  /** The copy first: it must not outlive its secret. */
  async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    await this.#copies.delete(ref, ctx);
    await this.#keys.delete(ref, ctx);
  }
}

/** When a copy must have been made that may be used still; undefined: whenever. */
export function oldest(lifetimeMs: number): Date | undefined {
  return lifetimeMs > 0 ? new Date(Date.now() - lifetimeMs) : undefined;
}
