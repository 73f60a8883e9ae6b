import { cancelledError, type OpContext, throwIfCancelled } from "@luksmith/core";

/**
 * At most so many at once; the others wait in order. Not cockatiel's bulkhead: that one looks at a waiting caller's
 * signal only when its turn has come, and one who cancels must not wait for strangers.
 */
export class Slots {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /**
   * Waits for a slot. What is returned gives it back, once, however often it is called.
   * @throws `Cancelled` as soon as `ctx.signal` says so
   */
  async take(ctx: OpContext): Promise<() => void> {
    throwIfCancelled(ctx);
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn(ctx.signal);
    let held = true;
    return () => {
      if (held) this.#giveBack();
      held = false;
    };
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#waiting.delete(go);
        reject(cancelledError(signal.reason));
      };
      this.#waiting.add(go);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  #giveBack(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
    } else {
      this.#waiting.delete(next);
      next();
    }
  }
}
