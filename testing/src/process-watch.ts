import { readdirSync, readFileSync } from "node:fs";

/**
 * Reads the arguments and environments of this user's processes, over and over, until it is stopped: what any other
 * process of the host could have seen. Sampling misses short-lived ones; `strace` on one run does not.
 */
export class ProcessWatch {
  readonly #seen = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  constructor(everyMs = 10) {
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  /** Distinct command lines and environments. */
  stop(): ReadonlySet<string> {
    clearInterval(this.#timer);
    return this.#seen;
  }

  #look(): void {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      for (const file of ["cmdline", "environ"]) {
        try {
          this.#seen.add(readFileSync(`/proc/${pid}/${file}`, "latin1"));
        } catch {
          // it has ended, or is another user's
        }
      }
    }
  }
}
