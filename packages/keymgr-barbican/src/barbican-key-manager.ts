import {
  type CreateSecret,
  type KeyManager,
  LuksmithError,
  type OpContext,
  type Passphrase,
  type SecretFilter,
  type SecretInfo,
  type SecretRef,
  type TokenHolder,
  throwIfCancelled,
} from "@luksmith/core";
import type { KeystoneSession, ServiceClient } from "@luksmith/keystone";
import { SecretId } from "./answers.ts";
import { BarbicanApi } from "./barbican-api.ts";
import { type Attempt, barbicanError, isAbsent, nothingDone } from "./barbican-error.ts";
import { type Caller, type Callers, readingCaller, userCaller } from "./caller.ts";
import { listSecrets } from "./list-secrets.ts";
import { readPassphrase } from "./read-passphrase.ts";
import { releaseConsumers } from "./secret-consumers.ts";
import { SecretSetup, type SecretReaders } from "./secret-setup.ts";
import { storeSecret } from "./store-secret.ts";

/** What secret names begin with that Luksmith and Nova give to disks, and Luksmith to snapshots. */
const OURS = /^Ephemeral encryption secret for (?:instance|snapshot) /u;

export interface BarbicanKeyManagerOptions {
  /** To Barbican; the key manager closes it. */
  readonly client: ServiceClient;
  /** Whom to ask what a token is. */
  readonly keystone: Callers["keystone"];
  /** The agent's own account; the key manager closes it. */
  readonly session?: KeystoneSession | undefined;
  /** Whether secrets note down which disk needs them. */
  readonly consumers: boolean;
  /** `agent` needs a session. */
  readonly acl: SecretReaders;
  /** How long to take back a secret that could not be made as asked. Default 30 000. */
  readonly cleanupTimeoutMs?: number;
  /** How many secrets to list with one request. Default 100. */
  readonly pageSize?: number | undefined;
}

/**
 * Keeps passphrases in Barbican, in the project of the user whose token comes with each call. Holds nothing itself:
 * several processes, and castellan, may use the same secrets.
 *
 * Besides what the contract names, every method may throw `EndpointNotFound`, `IdentityUnavailable`,
 * `AuthenticationFailed` (the agent's own account), `ServiceRefused` and `Cancelled`. Where surely nothing was changed,
 * `details.maybeDone` is false.
 */
export class BarbicanKeyManager implements KeyManager {
  readonly name = "barbican";
  readonly #options: BarbicanKeyManagerOptions;
  readonly #api: BarbicanApi;
  readonly #setup: SecretSetup;
  readonly #callers: Callers;
  #closed = false;

  constructor(options: BarbicanKeyManagerOptions) {
    const { session, acl, consumers, cleanupTimeoutMs = 30_000 } = options;
    if (acl === "agent" && session === undefined) {
      throw new LuksmithError("ConfigInvalid", "acl = agent needs the agent's own account");
    }
    this.#options = options;
    this.#api = new BarbicanApi(options.client, options.pageSize);
    this.#setup = new SecretSetup(this.#api, { consumers, acl, session, cleanupTimeoutMs });
    this.#callers = { keystone: options.keystone, agent: acl === "agent" ? session : undefined };
  }

  /**
   * Finds out by name what became of a secret whose answer was lost, and never leaves two.
   * @throws also `InvalidRequest` for a name or a passphrase that Barbican would not keep to the byte
   */
  async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    this.#throwIfDone(ctx);
    const caller = await userCaller(this.#callers, ctx).catch((error: unknown) => {
      throw nothingDone(error);
    });
    const id = await storeSecret(this.#api, request, caller, ctx);
    await this.#setup.finish(id, request.consumer, caller, ctx);
    ctx.log.debug({ secretId: id, name: request.name, projectId: caller.projectId }, "stored a secret");
    return { id };
  }

  async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    this.#throwIfDone(ctx);
    const caller = await readingCaller(this.#callers, ctx);
    const id = requireId(ref.id);
    return await telling({ action: `give out the secret ${id}`, id, caller }, () =>
      readPassphrase(this.#api, id, caller.as, ctx),
    );
  }

  /** @throws `SecretInUse` while others than Luksmith are noted down as needing it: nothing is deleted then */
  async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    this.#throwIfDone(ctx);
    const caller = await userCaller(this.#callers, ctx);
    const { data: id } = SecretId.safeParse(ref.id);
    // Barbican's ids are UUIDs: there can be no such secret.
    if (id === undefined) return;
    await telling({ action: `delete the secret ${id}`, id, caller }, () => this.#remove(id, caller, ctx));
    ctx.log.debug({ secretId: id, projectId: caller.projectId }, "deleted a secret");
  }

  async *list(filter: SecretFilter, ctx: OpContext): AsyncIterable<SecretInfo> {
    this.#throwIfDone(ctx);
    const caller = await userCaller(this.#callers, ctx);
    const { name } = filter;
    const wanted = (found: string) => (name === undefined ? OURS.test(found) : found === name);
    try {
      for await (const info of listSecrets(this.#api, name, caller.as, ctx)) {
        if (wanted(info.name)) yield info;
      }
    } catch (error) {
      throw barbicanError(error, { action: "list secrets", caller });
    }
  }

  async scope(ctx: OpContext): Promise<string> {
    this.#throwIfDone(ctx);
    return (await userCaller(this.#callers, ctx)).projectId;
  }

  async caller(ctx: OpContext): Promise<TokenHolder> {
    this.#throwIfDone(ctx);
    return (await readingCaller(this.#callers, ctx)).holder;
  }

  /** Forgets the account's token and password. Idempotent; every other method fails afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#options.client[Symbol.dispose]();
    this.#options.session?.[Symbol.dispose]();
  }

  #throwIfDone(ctx: OpContext): void {
    throwIfCancelled(ctx);
    if (!this.#closed) return;
    throw new LuksmithError("KeyManagerUnavailable", "the key manager barbican was closed", {
      retryable: false,
      details: { maybeDone: false },
    });
  }

  async #remove(id: string, caller: Caller, ctx: OpContext): Promise<void> {
    try {
      await releaseConsumers(this.#api, id, caller.as, ctx);
      await this.#api.remove(id, caller.as, ctx);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
}

async function telling<T>(attempt: Attempt, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw barbicanError(error, attempt);
  }
}

function requireId(text: string): string {
  const { data: id } = SecretId.safeParse(text);
  if (id !== undefined) return id;
  throw new LuksmithError(
    "EphemeralEncryptionSecretNotFound",
    `Barbican has no secret ${JSON.stringify(text)}, whose ids are UUIDs`,
    { details: { id: text } },
  );
}
