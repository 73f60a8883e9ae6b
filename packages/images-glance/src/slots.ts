import { cancelledError, type OpContext } from "@luksmith/core";

/** A number of places; who finds none free waits for its turn. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /**
   * Takes a place; disposal gives it back.
   * @throws `Cancelled`
   */
  async take({ signal }: OpContext): Promise<Disposable> {
    if (signal.aborted) throw cancelledError(signal.reason);
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#give();
        held = false;
      },
    };
  }

  #turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const called = (): void => {
      signal.removeEventListener("abort", abort);
      resolve();
    };
    const abort = (): void => {
      this.#waiting.splice(this.#waiting.indexOf(called), 1);
      reject(cancelledError(signal.reason));
    };
    signal.addEventListener("abort", abort, { once: true });
    this.#waiting.push(called);
    return promise;
  }

  #give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}
