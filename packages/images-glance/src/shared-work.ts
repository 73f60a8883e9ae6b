import {
  cancelledError,
  isLuksmithError,
  type OpContext,
  type Progress,
  type ProgressListener,
} from "@luksmith/core";

interface Running {
  readonly done: Promise<PromiseSettledResult<void>>;
  readonly listeners: Set<ProgressListener>;
  waiting: number;
}

/** What the one who works is told. */
export interface Shared {
  /** Goes to all who wait. */
  readonly progress: ProgressListener;
  /** Whether anybody waits who would go on with what a cancelled one had begun. */
  wantedByOthers(): boolean;
}

/** Failures that say something about who asked, not about what was asked for. */
const OWN = new Set([
  "Cancelled",
  "TokenMissing",
  "TokenRefused",
  "PermissionDenied",
  "ImageNotFound",
  "AuthenticationFailed",
]);

/**
 * Work that many ask for at once is done by one of them, with its credentials and under its signal. If that one is
 * cancelled or refused, the next takes over; any other failure is everybody's.
 */
export class SharedWork {
  readonly #running = new Map<string, Running>();

  /**
   * @param key says which work is the same
   * @throws what `work` throws, `Cancelled`
   */
  async run(key: string, work: (shared: Shared) => Promise<void>, ctx: OpContext): Promise<void> {
    for (;;) {
      const running = this.#running.get(key);
      if (!running) return await this.#lead(key, work, ctx);
      const outcome = await wait(running, ctx);
      if (outcome.status === "fulfilled") return;
      const { reason } = outcome;
      if (!isLuksmithError(reason) || !OWN.has(reason.code)) throw reason;
    }
  }

  async #lead(key: string, work: (shared: Shared) => Promise<void>, ctx: OpContext): Promise<void> {
    const listeners = new Set<ProgressListener>(ctx.progress ? [ctx.progress] : []);
    const { promise, resolve } = Promise.withResolvers<PromiseSettledResult<void>>();
    const running: Running = { done: promise, listeners, waiting: 0 };
    this.#running.set(key, running);
    const shared: Shared = {
      progress: (progress: Progress) => listeners.forEach((listen) => listen(progress)),
      wantedByOthers: () => running.waiting > 0,
    };
    try {
      await work(shared);
      resolve({ status: "fulfilled", value: undefined });
    } catch (reason) {
      resolve({ status: "rejected", reason });
      throw reason;
    } finally {
      this.#running.delete(key);
    }
  }
}

async function wait(running: Running, { signal, progress }: OpContext): Promise<PromiseSettledResult<void>> {
  if (signal.aborted) throw cancelledError(signal.reason);
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(cancelledError(signal.reason));
  signal.addEventListener("abort", abort, { once: true });
  if (progress) running.listeners.add(progress);
  running.waiting++;
  try {
    return await Promise.race([running.done, aborted.promise]);
  } finally {
    running.waiting--;
    if (progress) running.listeners.delete(progress);
    signal.removeEventListener("abort", abort);
  }
}
