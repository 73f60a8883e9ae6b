import { cancelledError, type OpContext, throwIfCancelled } from "@luksmith/core";

interface Running<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  callers: number;
}

/**
 * One call for all who ask while it is under way. Who cancels leaves; the call itself is stopped when the last has
 * left. A failure is told to those who waited and kept for nobody.
 */
export class SharedCall<T> {
  #running: Running<T> | undefined;

  /** Joins the call that is under way, or begins one with `start`, which gets a context of its own. */
  async join(start: (ctx: OpContext) => Promise<T>, ctx: OpContext): Promise<T> {
    throwIfCancelled(ctx);
    const running = this.#running ?? this.#begin(start, ctx);
    running.callers += 1;
    let left: (() => void) | undefined;
    const cancelled = new Promise<never>((_, reject) => {
      left = () => reject(cancelledError(ctx.signal.reason));
      ctx.signal.addEventListener("abort", left, { once: true });
    });
    try {
      return await Promise.race([running.result, cancelled]);
    } finally {
      if (left !== undefined) ctx.signal.removeEventListener("abort", left);
      running.callers -= 1;
      if (running.callers === 0) this.#stop(running);
    }
  }

  #begin(start: (ctx: OpContext) => Promise<T>, ctx: OpContext): Running<T> {
    const abort = new AbortController();
    const result = start({ requestId: ctx.requestId, log: ctx.log, signal: abort.signal });
    this.#running = { result, abort, callers: 0 };
    return this.#running;
  }

  /** The call has ended, or nobody waits for it any more. */
  #stop(running: Running<T>): void {
    if (this.#running === running) this.#running = undefined;
    running.abort.abort(new Error("nobody waits for it any more"));
  }
}
