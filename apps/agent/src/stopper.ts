import type { Io } from "./io.ts";

/** Turns SIGINT and SIGTERM into an abort, for as long as it is not disposed. */
export interface Stopper extends Disposable {
  readonly signal: AbortSignal;
  /** What is said about the signals. */
  words: StopWords;
}

/** What happens at the first signal, and what goes on at those after it. */
export interface StopWords {
  readonly first: string;
  readonly again: string;
}

const COMMAND: StopWords = {
  first: "stopping, and taking back what was begun",
  again: "still taking back what was begun; it ends by itself and must not be cut short",
};

/**
 * The first signal asks the running operation to stop, and it takes back what it began; the ones after it change
 * nothing, because a kill in between would leave that to `luksmith recover`.
 */
export function stopper(io: Io, quiet: boolean): Stopper {
  const controller = new AbortController();
  const say = (text: string): void => void io.stderr.write(`luksmith: ${text}\n`).catch(() => {});
  const release = io.onInterrupt((name) => {
    if (controller.signal.aborted) {
      say(`${name}: ${self.words.again}`);
      return;
    }
    if (!quiet) say(`${name}: ${self.words.first}`);
    controller.abort(new Error(`received ${name}`));
  });
  const self: Stopper = { signal: controller.signal, words: COMMAND, [Symbol.dispose]: release };
  return self;
}
