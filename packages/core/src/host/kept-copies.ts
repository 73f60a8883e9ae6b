import type { Passphrase } from "@luksmith/luks";
import type { HostConfig } from "../config/host-config.ts";
import type { OpContext } from "../image/op-context.ts";
import type { HostCopies } from "../key-manager/host-copies.ts";
import type { KeyManager } from "../key-manager/key-manager.ts";
import { oldest } from "../key-manager/keys-with-host-copies.ts";

/** This host's own copies of secrets, by `[luksmith] secret_security` and `host_copy_lifetime`. */
export class KeptCopies {
  /** Undefined: nowhere. */
  readonly store: HostCopies | undefined;
  readonly #config: HostConfig;
  readonly #keys: () => KeyManager;

  /** @param keys opens the key manager, which a host may lack */
  constructor(config: HostConfig, keys: () => KeyManager, store: HostCopies | undefined) {
    this.store = store;
    this.#config = config;
    this.#keys = keys;
  }

  /** Makes copies of secrets that another host has made, where this one keeps copies. Idempotent. */
  async keep(secrets: readonly { readonly secretId: string }[], ctx: OpContext): Promise<void> {
    const { wanted } = this;
    if (!wanted) return;
    for (const { secretId: id } of secrets) {
      using passphrase = await this.#keys().get({ id }, ctx);
      await wanted.put({ id, name: `moved here: ${id}` }, passphrase, ctx);
    }
  }

  /**
   * Makes or renews the copy of a secret that a user's token has opened: one may be too old, or from before the host kept any. One that
   * cannot be is logged only: that the next start may need somebody's token is no reason to keep a guest from starting.
   */
  async renew(id: string, name: string, passphrase: Passphrase, ctx: OpContext): Promise<void> {
    if (!ctx.userToken) return;
    await this.wanted
      ?.put({ id, name }, passphrase, ctx)
      .catch((error: unknown) =>
        ctx.log.warn({ secretId: id, err: error }, "could not renew a copy of a secret"),
      );
  }

  /** Removes copies that are too old to be used. @returns how many */
  async purge(ctx: OpContext): Promise<number> {
    const since = oldest(this.#config.luksmith.host_copy_lifetime * 1000);
    if (!since || !this.store) return 0;
    let purged = 0;
    for await (const { id, createdAt } of this.store.list(ctx)) {
      if (new Date(createdAt) >= since) continue;
      await this.store.delete({ id }, ctx);
      purged++;
    }
    if (purged > 0) ctx.log.info({ copies: purged }, "removed copies of secrets that were too old");
    return purged;
  }

  /** Deletes the copy of a secret, if there is one. Idempotent. */
  async forget(id: string, ctx: OpContext): Promise<void> {
    await this.store?.delete({ id }, ctx);
  }

  /** Where new copies go; undefined: none are made. */
  private get wanted(): HostCopies | undefined {
    const { store } = this;
    if (!store || this.#config.luksmith.secret_security !== "host") return undefined;
    return this.#keys().scope === undefined ? undefined : store;
  }
}
