import type { Io } from "./io.ts";

/** Turns SIGINT and SIGTERM into an abort, for as long as it is not disposed. */
export interface Stopper extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * The first signal asks the running operation to stop, and it takes back what it began; the ones after it change
 * nothing, because a kill in between would leave that to `luksmith recover`.
 */
export function stopper(io: Io, quiet: boolean): Stopper {
  const controller = new AbortController();
  const say = (text: string): void => void io.stderr.write(`luksmith: ${text}\n`).catch(() => {});
  const release = io.onInterrupt((name) => {
    if (controller.signal.aborted) {
      say(`${name}: still taking back what was begun; it ends by itself and must not be cut short`);
      return;
    }
    if (!quiet) say(`${name}: stopping, and taking back what was begun`);
    controller.abort(new Error(`received ${name}`));
  });
  return { signal: controller.signal, [Symbol.dispose]: release };
}
