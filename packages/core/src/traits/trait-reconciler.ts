import { setTimeout as sleep } from "node:timers/promises";
import { errorToJson, isLuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import type { HostTraits } from "./host-traits.ts";
import { type ReportOutcome, syncTraits } from "./sync-traits.ts";
import type { TraitReporter } from "./trait.ts";

/** What one round found and did. */
export interface TraitRound {
  readonly host: HostTraits;
  readonly outcomes: readonly ReportOutcome[];
}

export interface TraitReconcilerOptions {
  /** Asked at each round. */
  readonly host: (ctx: OpContext) => Promise<HostTraits>;
  readonly reporters: readonly TraitReporter[];
  /** Between the end of a round and the next one. */
  readonly intervalMs: number;
  /** Told of each round; the next one waits for it. */
  readonly onRound?: (round: TraitRound) => Promise<void> | void;
  /** 0 to 1; for tests. */
  readonly random?: () => number;
  /** Resolves early, and never throws, when the signal aborts; for tests. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Hosts that were started together must not ask together for ever. */
const JITTER = 0.1;
const FIRST_RETRY_MS = 1000;

/**
 * Keeps what is said of this host true: reports at once, then at each interval, one round at a time. After a failed round
 * it tries again after 1 s, 2 s, 4 s, … up to the interval. It ends when `ctx.signal` aborts, and withdraws nothing then: the
 * disks are encrypted all the same while the agent is restarted.
 */
export class TraitReconciler {
  readonly #options: TraitReconcilerOptions;
  /** The last error of each reporter: what was said once is not said again. */
  readonly #troubles = new Map<string, string>();
  #absent = "";
  #failures = 0;

  constructor(options: TraitReconcilerOptions) {
    this.#options = options;
  }

  /** Resolves when the signal aborts. Call it once. */
  async run(ctx: OpContext): Promise<void> {
    const { wait = waitFor } = this.#options;
    while (!ctx.signal.aborted) {
      await this.#round(ctx);
      if (!ctx.signal.aborted) await wait(this.#pauseMs(), ctx.signal);
    }
  }

  async #round(ctx: OpContext): Promise<void> {
    try {
      const host = await this.#options.host(ctx);
      this.#noteAbsent(host, ctx);
      const outcomes = await syncTraits(host, this.#options.reporters, ctx);
      for (const outcome of outcomes) this.#note(outcome, ctx);
      this.#failures = outcomes.some(({ error }) => error !== undefined) ? this.#failures + 1 : 0;
      await this.#options.onRound?.({ host, outcomes });
    } catch (error) {
      if (ctx.signal.aborted) return;
      throw error;
    }
  }

  #pauseMs(): number {
    const { intervalMs, random = Math.random } = this.#options;
    const doubled = FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 30);
    const pause = this.#failures === 0 ? intervalMs : Math.min(intervalMs, doubled);
    return pause * (1 + JITTER * (2 * random() - 1));
  }

  #noteAbsent({ absent }: HostTraits, ctx: OpContext): void {
    const now = JSON.stringify(absent);
    if (now === this.#absent || (absent.length === 0 && this.#absent === "")) return;
    this.#absent = now;
    if (absent.length > 0) ctx.log.warn({ absent }, "this host does not have all traits it could have");
    else ctx.log.info({}, "this host has all its traits again");
  }

  #note({ reporter, change, error }: ReportOutcome, ctx: OpContext): void {
    const before = this.#troubles.get(reporter);
    if (change) {
      this.#troubles.delete(reporter);
      if (before !== undefined) ctx.log.info({ reporter }, "traits are reported again");
      const { provider, added, removed } = change;
      if (added.length + removed.length > 0) {
        ctx.log.info({ reporter, provider, added, removed }, "reported traits");
      }
      return;
    }
    const trouble = isLuksmithError(error) ? error.code : String(error);
    if (trouble === before) return;
    this.#troubles.set(reporter, trouble);
    ctx.log.error({ reporter, error: errorToJson(error) }, "traits cannot be reported; trying again");
  }
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
