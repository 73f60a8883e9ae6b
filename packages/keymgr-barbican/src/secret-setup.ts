import { type OpContext, type SecretConsumer, throwIfCancelled } from "@luksmith/core";
import { isServiceError, type KeystoneSession } from "@luksmith/keystone";
import type { BarbicanApi } from "./barbican-api.ts";
import { barbicanError, isAbsent, nothingDone } from "./barbican-error.ts";
import type { Caller } from "./caller.ts";
import { asConsumer } from "./secret-consumers.ts";

/**
 * Who may read a secret: whom Barbican's policy lets (`project`), its creator and the project's admins (`private`), these
 * and the agent's own account (`agent`).
 */
export type SecretReaders = "project" | "private" | "agent";

export interface SecretSetupOptions {
  readonly consumers: boolean;
  readonly acl: SecretReaders;
  readonly session: KeystoneSession | undefined;
  readonly cleanupTimeoutMs: number;
}

/** What is done to a secret once it is stored. */
export class SecretSetup {
  readonly #api: BarbicanApi;
  readonly #options: SecretSetupOptions;
  #warned = false;

  constructor(api: BarbicanApi, options: SecretSetupOptions) {
    this.#api = api;
    this.#options = options;
  }

  /**
   * Restricts who reads it, and notes down what needs it. Fails closed: a secret that cannot be restricted as asked, or
   * whose creation is cancelled meanwhile, is deleted. The note is only that, and does without if it must.
   */
  async finish(
    id: string,
    consumer: SecretConsumer | undefined,
    caller: Caller,
    ctx: OpContext,
  ): Promise<void> {
    try {
      await this.#restrict(id, caller, ctx);
      await this.#register(id, consumer, caller, ctx);
      throwIfCancelled(ctx);
    } catch (error) {
      throw await this.#takeBack(id, error, caller, ctx);
    }
  }

  async #restrict(id: string, caller: Caller, ctx: OpContext): Promise<void> {
    const { acl, session } = this.#options;
    if (acl === "project") return;
    const users = acl === "agent" && session ? [(await session.info(ctx)).userId] : [];
    await this.#api.setAcl(id, { users }, caller.as, ctx);
  }

  async #register(
    id: string,
    consumer: SecretConsumer | undefined,
    caller: Caller,
    ctx: OpContext,
  ): Promise<void> {
    if (!this.#options.consumers || consumer === undefined) return;
    try {
      await this.#api.addConsumer(id, asConsumer(consumer), caller.as, ctx);
    } catch (error) {
      if (!isServiceError(error)) throw error;
      const level = this.#warned ? "debug" : "warn";
      this.#warned = true;
      ctx.log[level](
        { secretId: id, consumer, err: error },
        "Barbican did not note down what a secret is for; that is said once, and [luksmith:keymgr-barbican] consumers = false asks no more",
      );
    }
  }

  /** @returns the error to raise */
  async #takeBack(id: string, error: unknown, caller: Caller, ctx: OpContext): Promise<unknown> {
    const reason = barbicanError(error, { action: `make the secret ${id} private`, caller });
    const steady = { ...ctx, signal: AbortSignal.timeout(this.#options.cleanupTimeoutMs) };
    try {
      await this.#api.remove(id, caller.as, steady);
    } catch (failure) {
      if (!isAbsent(failure)) {
        ctx.log.warn({ secretId: id, err: failure }, "could not delete a secret that was not made as asked");
        return reason;
      }
    }
    return nothingDone(reason);
  }
}
