import { setTimeout as sleep } from "node:timers/promises";
import { cancelledError, type OpContext } from "../image/op-context.ts";

/**
 * Lets so many calls through a second, and some more after a time of rest; others wait for their turn, in the order in which
 * they came.
 */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  /** Tokens by `#at`; below zero: so many are waiting. */
  #tokens: number;
  #at: number;

  /** @param now ms, of a clock that does not jump */
  constructor(perSecond: number, burst: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#at = now();
  }

  /** Ms until the caller's turn, which is taken by that. */
  take(): number {
    const now = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#perSecond) * 1000;
  }

  /** Gives a turn back that was not used. */
  giveBack(): void {
    this.#tokens += 1;
  }

  /** Whether it is as full as a new one. */
  get rested(): boolean {
    return this.#tokens + ((this.#now() - this.#at) / 1000) * this.#perSecond >= this.#burst;
  }

  /**
   * @param longestMs whoever would wait longer does not wait, and has no turn
   * @param waits told when a wait begins, and when it ends
   * @returns whether it was the caller's turn
   * @throws `Cancelled`
   */
  async wait(ctx: OpContext, longestMs: number, waits: (change: 1 | -1) => void): Promise<boolean> {
    const ms = this.take();
    if (ms === 0) return true;
    if (ms > longestMs) {
      this.giveBack();
      return false;
    }
    waits(1);
    try {
      await sleep(ms, undefined, { signal: ctx.signal });
      return true;
    } catch {
      this.giveBack();
      throw cancelledError(ctx.signal.reason);
    } finally {
      waits(-1);
    }
  }
}
