import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const INIT = join(import.meta.dirname, "namespace-init.sh");
/** Mount points of the namespace; a machine without libvirt-daemon-system lacks some. */
const MOUNT_POINTS = [
  "/etc/libvirt",
  "/var/lib/libvirt",
  "/run/libvirt",
  "/var/log/libvirt",
  "/var/cache/libvirt",
];

/** A signal for libvirtd itself; its guests get none. */
export type DaemonSignal = "TERM" | "KILL" | "STOP" | "CONT";

/**
 * A libvirtd in mount and process namespaces of its own. When this process ends, in whatever way, the kernel ends
 * libvirtd and its guests.
 */
export class LibvirtProcess {
  readonly #stateDirectory: string;
  readonly #init: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(stateDirectory: string, cacheDirectory: string) {
    this.#stateDirectory = stateDirectory;
    const namespaces = [
      "--mount",
      "--propagation",
      "private",
      "--pid",
      "--fork",
      "--kill-child",
      "--mount-proc",
    ];
    const script = `mkdir -p ${MOUNT_POINTS.join(" ")} && exec unshare ${namespaces.join(" ")} bash "$0" "$@"`;
    this.#init = spawn("bash", ["-c", script, INIT, stateDirectory, cacheDirectory], {
      // The pipe is what tells it that this process has died.
      stdio: ["pipe", "pipe", "ignore"],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8", HOME: "/root" },
    });
    // A write after its end is no news: the missing answer is.
    this.#init.stdin?.on("error", () => {});
    const lines = this.#init.stdout && createInterface({ input: this.#init.stdout });
    if (!lines) throw new Error("a child process without the pipes that were asked for");
    this.#answers = lines[Symbol.asyncIterator]();
  }

  /** Starts libvirtd; returns when it takes connections. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#tell("start");
    while (!(await accepts(this.#socket))) {
      if (signal.aborted || this.#init.exitCode !== null) throw this.#failure("it does not listen");
      await sleep(10);
    }
  }

  /** Returns when libvirtd got it; after TERM and KILL, when it is gone. Its guests stay. */
  async signal(name: DaemonSignal): Promise<void> {
    await this.#tell(name);
  }

  /** Ends libvirtd, its guests and the namespaces. */
  async end(): Promise<void> {
    if (this.#init.exitCode !== null || this.#init.signalCode !== null) return;
    const exited = once(this.#init, "exit");
    this.#init.stdin?.end();
    // The namespaces' first process obeys the end of its input; the outer one takes it along when it is killed.
    const killer = setTimeout(() => this.#init.kill("SIGKILL"), 3000);
    await exited;
    clearTimeout(killer);
  }

  /** The last lines of its logs. */
  logTail(lines = 20): string {
    const logs = ["stdio.log", "libvirtd.log"].map((name) => join(this.#stateDirectory, "log", name));
    const text = logs.map((path) => (existsSync(path) ? readFileSync(path, "utf8") : "")).join("");
    return text.trimEnd().split("\n").slice(-lines).join("\n");
  }

  async #tell(word: string): Promise<void> {
    this.#init.stdin?.write(`${word}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true || value !== `${word} done`) throw this.#failure(`no answer to ${word}`);
  }

  #failure(why: string): Error {
    return new Error(`libvirtd: ${why}; the end of its log:\n${this.logTail()}`);
  }

  get #socket(): string {
    return join(this.#stateDirectory, "run/libvirt-sock");
  }
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
