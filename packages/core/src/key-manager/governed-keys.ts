import { LuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import type { CreateSecret, KeyManager, SecretInfo, SecretRef } from "./key-manager.ts";
import type { KeyManagerListener } from "./observed-keys.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface KeyLimits {
  /** Calls a second, for each project. */
  readonly perSecond: number;
  /** So many at once after a time of rest. */
  readonly burst: number;
}

/** Whoever would wait longer is refused, and may use a copy on this host, or try again. */
const LONGEST_WAIT_MS = 60_000;
/** Buckets that are as full as new ones are forgotten when there are more than this. */
const MOST_PROJECTS = 1000;

/**
 * A key manager on another host, which is asked no more than so often in the name of each project: one project's burst
 * delays its own calls, not those of the others, and no host floods the service that all share.
 */
export class GovernedKeys implements KeyManager {
  readonly list?: NonNullable<KeyManager["list"]>;
  readonly scope?: NonNullable<KeyManager["scope"]>;
  readonly caller?: NonNullable<KeyManager["caller"]>;
  readonly #keys: KeyManager;
  readonly #limits: KeyLimits;
  readonly #listener: KeyManagerListener | undefined;
  #waiting = 0;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(keys: KeyManager, limits: KeyLimits, listener?: KeyManagerListener) {
    this.#listener = listener;
    this.#keys = keys;
    this.#limits = limits;
    const list = keys.list?.bind(keys);
    if (list) this.list = (filter, ctx) => this.#listed(list(filter, ctx), ctx);
    if (keys.scope) this.scope = keys.scope.bind(keys);
    if (keys.caller) this.caller = keys.caller.bind(keys);
  }

  get name(): string {
    return this.#keys.name;
  }

  async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    await this.#turn(ctx);
    return await this.#keys.create(request, ctx);
  }

  async get(ref: SecretRef, ctx: OpContext): ReturnType<KeyManager["get"]> {
    await this.#turn(ctx);
    return await this.#keys.get(ref, ctx);
  }

  async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    await this.#turn(ctx);
    await this.#keys.delete(ref, ctx);
  }

  async *#listed(secrets: AsyncIterable<SecretInfo>, ctx: OpContext): AsyncIterable<SecretInfo> {
    await this.#turn(ctx);
    yield* secrets;
  }

  async #turn(ctx: OpContext): Promise<void> {
    // Who is nobody is told so by the call itself.
    const holder = await this.#keys.caller?.(ctx).catch(() => undefined);
    const bucket = this.#bucket(holder?.projectId ?? "");
    const turn = await bucket.wait(ctx, LONGEST_WAIT_MS, (change) => {
      this.#waiting += change;
      this.#listener?.({ call: "wait", began: change === 1, waiting: this.#waiting });
    });
    if (turn) return;
    this.#listener?.({ call: "refused" });
    const { perSecond, burst } = this.#limits;
    throw new LuksmithError(
      "KeyManagerUnavailable",
      `key manager ${this.name} was not asked: so many calls of ${holder?.projectId ? `project ${holder.projectId}` : "nobody's project"} wait already that the next would wait more than ${LONGEST_WAIT_MS / 1000} s ([luksmith] key_manager_rate = ${perSecond}, key_manager_burst = ${burst}); try again`,
      { retryable: true, details: { maybeDone: false } },
    );
  }

  #bucket(project: string): TokenBucket {
    const there = this.#buckets.get(project);
    if (there) return there;
    if (this.#buckets.size >= MOST_PROJECTS) {
      for (const [name, bucket] of this.#buckets) if (bucket.rested) this.#buckets.delete(name);
    }
    const made = new TokenBucket(this.#limits.perSecond, this.#limits.burst);
    this.#buckets.set(project, made);
    return made;
  }
}
