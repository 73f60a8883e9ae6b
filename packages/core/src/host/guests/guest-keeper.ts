import { setTimeout as sleep } from "node:timers/promises";
import type { OpContext } from "../../image/op-context.ts";
import type { WritableHost } from "../host.ts";
import { type ResumedGuest, resumeGuests } from "./resume-guests.ts";

/** Ms until what could not be done now is tried again. */
const RETRY_MS = 2000;
/** Ms between two looks at a hypervisor that was not lost: its keys may be another daemon's, which restarts by itself. */
const INTERVAL_MS = 60_000;

/**
 * Brings guests back when a long-lived process begins, once each, and sees to it from then on that the hypervisor has the
 * keys of those that run: it forgets them when it restarts. Guests that end later stay off.
 */
export class GuestKeeper {
  readonly #host: WritableHost;
  /** To be brought back still. */
  readonly #toStart: Set<string>;
  /** What became of each the last time. */
  #outcomes = new Map<string, ResumedGuest>();
  #wake = (): void => {};

  constructor(host: WritableHost) {
    this.#host = host;
    const { resume_guests_on_start: start } = host.config.luksmith;
    const wanted = host.inventory.guests.all().filter((guest) => guest.wanted === "on" && !guest.moving);
    this.#toStart = new Set(start ? wanted.map(({ uuid }) => uuid) : []);
  }

  /** How many guests are being brought back. */
  get resuming(): number {
    return this.#toStart.size;
  }

  /** How many need somebody with a token. */
  get waiting(): number {
    return [...this.#outcomes.values()].filter(({ outcome }) => outcome === "waiting").length;
  }

  /** Looks at all guests again, now: something may have changed. */
  lookAgain(): void {
    this.#wake();
  }

  /** Until `ctx.signal` aborts, which is its regular end. Does nothing where no plugin runs guests. */
  async run(ctx: OpContext): Promise<void> {
    const services = await this.#host.services();
    if (!services.hasHypervisor) {
      this.#toStart.clear();
      return;
    }
    while (!ctx.signal.aborted) {
      using pause = new Pause(ctx);
      // Before the round, so that a restart in the middle of it is noticed.
      const lost = services.hypervisor.lost?.(pause.ctx).catch(() => pause.sleep(INTERVAL_MS));
      const again = await this.#round(ctx).catch((error: unknown) => {
        ctx.log.error({ err: error }, "could not look after the guests");
        return true;
      });
      const { promise: woken, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const time = pause.sleep(again ? RETRY_MS : INTERVAL_MS);
      await Promise.race([time, woken, ...(lost && !again ? [lost] : [])]);
    }
  }

  /** @returns whether there is something to try again soon */
  async #round(ctx: OpContext): Promise<boolean> {
    for (const uuid of this.#toStart) await this.#host.recover(ctx, uuid);
    const resumed = await resumeGuests(this.#host, ctx, { mayStart: (uuid) => this.#toStart.has(uuid) });
    if (ctx.signal.aborted) return false;
    this.#note(resumed, ctx);
    const open = new Set(resumed.filter(isOpen).map(({ uuid }) => uuid));
    // Also those that were stopped, deleted or moved in the meantime.
    for (const uuid of this.#toStart) if (!open.has(uuid)) this.#toStart.delete(uuid);
    return open.size > 0;
  }

  /** Tells what has changed. */
  #note(resumed: readonly ResumedGuest[], { log }: OpContext): void {
    const before = this.#outcomes;
    this.#outcomes = new Map(resumed.map((one) => [one.uuid, one]));
    const news = resumed.filter(({ uuid, outcome, error }) => {
      const last = before.get(uuid);
      return last?.outcome !== outcome || last.error !== error;
    });
    const [first] = news;
    if (
      first &&
      news.length > 1 &&
      news.every(({ outcome, error }) => outcome === "failed" && error === first.error)
    ) {
      log.error({ guests: news.map(({ uuid }) => uuid), error: first.error }, "guests not resumed");
      return;
    }
    for (const { uuid: instance, outcome, running, error } of news) {
      if (outcome === "started" || outcome === "healed") log.info({ instance, outcome }, "guest resumed");
      if (outcome === "waiting") log.warn({ instance, running, error }, WAITS);
      if (outcome === "failed") log.error({ instance, running, error }, "guest not resumed");
    }
  }
}

const WAITS = 'guest waits for somebody who may read its passphrases: "luksmith start ID" with a token';

function isOpen({ outcome, retryable }: ResumedGuest): boolean {
  return outcome === "failed" && retryable === true;
}

/** Waiting that ends with its scope, with all that it was waited for. */
class Pause implements Disposable {
  readonly ctx: OpContext;
  readonly #end = new AbortController();

  constructor(ctx: OpContext) {
    this.ctx = { ...ctx, signal: AbortSignal.any([ctx.signal, this.#end.signal]) };
  }

  async sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.ctx.signal }).catch(() => {});
  }

  [Symbol.dispose](): void {
    this.#end.abort();
  }
}
