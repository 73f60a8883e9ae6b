import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What others could have seen of this process while something ran: programs that it started, by whatever means, and named files. */
export class ProcessWatch implements Disposable {
  /** Arguments and environments of the programs, read from the kernel, and the temporary files there were at their start. */
  readonly seen: string[] = [];
  /** Where programs keep temporary files, of this watch alone. */
  readonly directory = mkdtempSync(join(tmpdir(), "luksmith-watch-"));
  readonly #before = process.env["TMPDIR"];
  readonly #note = (message: unknown): void => {
    const { process: child } = message as { readonly process: ChildProcess };
    // It is told of before it is started, which happens in the same turn.
    process.nextTick(() => {
      this.seen.push((child.spawnargs ?? []).join("\0"));
      for (const file of ["cmdline", "environ"]) this.seen.push(readIfThere(`/proc/${child.pid}/${file}`));
      this.look();
    });
  };

  constructor() {
    process.env["TMPDIR"] = this.directory;
    subscribe("child_process", this.#note);
  }

  /** Reads the temporary files that are there now. */
  look(): void {
    for (const name of this.left()) this.seen.push(readIfThere(join(this.directory, name)));
  }

  /** Names of the temporary files. */
  left(): readonly string[] {
    return readdirSync(this.directory, { recursive: true }).map(String);
  }

  [Symbol.dispose](): void {
    unsubscribe("child_process", this.#note);
    if (this.#before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = this.#before;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
