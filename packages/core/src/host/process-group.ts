/** SIGKILL follows SIGTERM after this many ms. */
const GRACE_MS = 2_000;

/**
 * Ends a program, and all it started, at a time-out or when an operation is cancelled. The program leads a process group
 * of its own: a child of its that lived on would keep the pipes open, and us waiting.
 */
export class ProcessGroup implements Disposable {
  readonly #leader: number | undefined;
  readonly #signal: AbortSignal;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #cancel = (): void => this.end();
  #timedOut = false;
  #ending = false;

  /** @param child started with `detached` */
  constructor(child: { readonly pid?: number | undefined }, timeoutMs: number, signal: AbortSignal) {
    this.#leader = child.pid;
    this.#signal = signal;
    this.#after(timeoutMs, () => {
      this.#timedOut = true;
      this.end();
    });
    signal.addEventListener("abort", this.#cancel, { once: true });
    if (signal.aborted) this.end();
  }

  /** Whether the time-out was what ended it. */
  get timedOut(): boolean {
    return this.#timedOut;
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#kill("SIGTERM");
    this.#after(GRACE_MS, () => this.#kill("SIGKILL"));
  }

  /** Call it when the program has ended: what it left behind after `end` is killed. */
  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#signal.removeEventListener("abort", this.#cancel);
    if (this.#ending) this.#kill("SIGKILL");
  }

  #after(ms: number, act: () => void): void {
    this.#timers.push(setTimeout(act, ms));
  }

  #kill(signal: "SIGTERM" | "SIGKILL"): void {
    if (this.#leader === undefined) return; // it never started
    try {
      process.kill(-this.#leader, signal);
    } catch {
      // it has ended
    }
  }
}
