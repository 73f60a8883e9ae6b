import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { endCommands } from "./command.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const SIGNAL_NUMBER = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/** A directory for everything the benchmarks write; gone when they end, also when a signal ends them. */
export class Scratch implements Disposable {
  readonly path: string;

  constructor(parent: string) {
    this.path = mkdtempSync(join(parent, "luksmith-bench-"));
    for (const signal of SIGNALS) process.once(signal, this.#stop);
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.removeListener(signal, this.#stop);
    this.#remove();
  }

  readonly #stop = (signal: NodeJS.Signals): void => {
    endCommands();
    this.#remove();
    const known = SIGNALS.find((each) => each === signal);
    process.exit(128 + (known ? SIGNAL_NUMBER[known] : 0));
  };

  #remove(): void {
    // A program that was just killed may still have a file in flight.
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}
