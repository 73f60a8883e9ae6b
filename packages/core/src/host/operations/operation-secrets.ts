import type { GeneratedPassphrase } from "@luksmith/luks";
import { isLuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { Operation, Step } from "../../journal/journal.ts";
import type { KeyManager, SecretConsumer, SecretRef } from "../../key-manager/key-manager.ts";
import { requireKeyOwner } from "./key-owner.ts";
import { sagaStep } from "./steps.ts";

/** What is known of a planned secret: its reference, that it was never made, or nothing (its answer was lost). */
export type SecretFate = SecretRef | "never" | "unknown";

/**
 * The secrets that one operation makes: planned by name before it begins, so that recovery finds them after a crash;
 * what this process knows better than the journal helps it to take them back at once.
 */
export class OperationSecrets {
  readonly #keys: KeyManager;
  readonly #scope: string | undefined;
  readonly #fates: Map<string, SecretFate>;

  private constructor(keys: KeyManager, names: readonly string[], scope: string | undefined) {
    this.#keys = keys;
    this.#scope = scope;
    this.#fates = new Map(names.map((name) => [name, "never"]));
  }

  /**
   * Asks whose secrets these will be, which fails before anything has changed where nobody known is asking.
   * @param names unused by anybody
   * @throws as `requireKeyOwner`
   */
  static async plan(
    keys: KeyManager,
    names: readonly string[],
    instance: { readonly uuid: string; readonly projectId: string | undefined },
    ctx: OpContext,
  ): Promise<OperationSecrets> {
    const { uuid, projectId } = instance;
    const scope = names.length > 0 ? await requireKeyOwner(keys, uuid, projectId, ctx) : undefined;
    return new OperationSecrets(keys, names, scope);
  }

  /** Whose they are, where the key manager keeps them by project. */
  get scope(): string | undefined {
    return this.#scope;
  }

  /** For the journal, before anything is made. */
  get steps(): readonly Step[] {
    const scope = this.#scope === undefined ? {} : { scope: this.#scope };
    return [...this.#fates.keys()].map((name) => sagaStep({ kind: "secret", data: { name, ...scope } }));
  }

  /** Stores one of the planned secrets. */
  async make(
    operation: Operation,
    name: string,
    passphrase: GeneratedPassphrase,
    consumer: SecretConsumer,
    ctx: OpContext,
  ): Promise<SecretRef> {
    this.#fates.set(name, "unknown");
    try {
      const ref = await this.#keys.create({ name, passphrase, consumer }, ctx);
      this.#fates.set(name, ref);
      // Recovery finds a secret by its name, where the key manager can look for names.
      if (!this.#keys.list) operation.intend(sagaStep({ kind: "secret-made", data: { id: ref.id } }));
      return ref;
    } catch (error) {
      if (isLuksmithError(error) && error.details["maybeDone"] === false) this.#fates.set(name, "never");
      throw error;
    }
  }

  fate(name: string): SecretFate {
    return this.#fates.get(name) ?? "unknown";
  }
}
