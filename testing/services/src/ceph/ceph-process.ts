import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const INIT = join(import.meta.dirname, "ceph-init.sh");

export type CephDaemon = "mon" | "osd";

/** Monitor and OSD as children of a shell that ends them when this process ends, in whatever way. */
export class CephProcess {
  readonly #directory: string;
  readonly #init: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(directory: string) {
    this.#directory = directory;
    this.#init = spawn("bash", [INIT, directory], {
      // The pipe is what tells it that this process has died.
      stdio: ["pipe", "pipe", "ignore"],
      // Ctrl-C on a terminal is for this process only.
      detached: true,
      env: CEPH_ENVIRONMENT,
    });
    this.#init.stdin?.on("error", () => {});
    const lines = this.#init.stdout && createInterface({ input: this.#init.stdout });
    if (!lines) throw new Error("a child process without the pipes that were asked for");
    this.#answers = lines[Symbol.asyncIterator]();
  }

  async start(daemon: CephDaemon): Promise<void> {
    await this.#tell(`start ${daemon}`);
  }

  /** Returns when it is gone. */
  async stop(daemon: CephDaemon, by: "TERM" | "KILL"): Promise<void> {
    await this.#tell(`${by} ${daemon}`);
  }

  /** At once, so that it hits what is being done at this very moment. */
  hang(daemon: CephDaemon, stopped: boolean): void {
    const pid = Number(readFileSync(join(this.#directory, `run/${daemon}.pid`), "utf8"));
    process.kill(pid, stopped ? "SIGSTOP" : "SIGCONT");
  }

  /** Ends the daemons and removes the state. */
  async end(): Promise<void> {
    if (this.#init.exitCode !== null || this.#init.signalCode !== null) return;
    const exited = once(this.#init, "exit");
    this.#init.stdin?.end();
    await exited;
  }

  /** The last lines of what the daemons said. */
  logTail(lines = 20): string {
    const logs = ["mon.out", "osd.out"].map((name) => join(this.#directory, "log", name));
    const text = logs.map((path) => (existsSync(path) ? readFileSync(path, "utf8") : "")).join("");
    return text.trimEnd().split("\n").slice(-lines).join("\n");
  }

  async #tell(words: string): Promise<void> {
    this.#init.stdin?.write(`${words}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true || value !== `${words} done`) {
      throw new Error(`Ceph: no answer to ${words}; the end of its log:\n${this.logTail()}`);
    }
  }
}

/** Nothing of the caller's: `CEPH_ARGS` and `CEPH_CONF` would lead elsewhere. */
export const CEPH_ENVIRONMENT = {
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C.UTF-8",
  HOME: "/root",
} as const;
