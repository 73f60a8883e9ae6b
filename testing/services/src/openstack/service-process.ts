import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SERVICES, type ServiceName } from "./services.ts";

/** Debian's, whatever PATH says: the services are Debian packages. */
const PYTHON = "/usr/bin/python3";
const PROGRAM = join(import.meta.dirname, "serve.py");
const PORT_TAKEN = 98;

/** Somebody else was quicker; another port may do. */
export class PortTaken extends Error {}

/** One service as a child process. It ends when this process does, however that ends. */
export class ServiceProcess {
  readonly name: ServiceName;
  readonly port: number;
  readonly #stateDirectory: string;
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;

  constructor(
    name: ServiceName,
    port: number,
    stateDirectory: string,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.name = name;
    this.port = port;
    this.#stateDirectory = stateDirectory;
    this.#env = env;
  }

  /** Its process id while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Returns when it answers. Does nothing if it runs. Throws `PortTaken`, or an error with the end of the log. */
  async start(signal: AbortSignal): Promise<void> {
    if (this.#child !== undefined) return;
    const log = openSync(this.#log, "a", 0o600);
    const child = spawn(
      PYTHON,
      [PROGRAM, SERVICES[this.name].kind, this.name, this.#stateDirectory, String(this.port)],
      {
        cwd: this.#stateDirectory,
        // The pipe is what tells it that this process has died.
        stdio: ["pipe", log, log],
        env: {
          PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
          LC_ALL: "C.UTF-8",
          HOME: this.#stateDirectory,
          PYTHONWARNINGS: "ignore",
          PYTHONDONTWRITEBYTECODE: "1",
          ...this.#env,
        },
      },
    );
    closeSync(log);
    this.#child = child;
    const ended = new Promise<never>((_, reject) => {
      child.once("error", (error) => {
        if (child.pid === undefined) this.#child = undefined;
        reject(this.#failure("is the package installed?", error));
      });
      child.once("exit", (code, by) => {
        this.#child = undefined;
        reject(
          code === PORT_TAKEN
            ? new PortTaken(`port ${this.port} is taken`)
            : this.#failure(by ?? `status ${code}`),
        );
      });
    });
    // An end after the start is for `stop`, or for whoever calls the service.
    ended.catch(() => {});
    await Promise.race([this.#answers(signal), ended]);
  }

  /** Returns when the process is gone. Does nothing if it does not run. */
  async stop(by: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exited = once(child, "exit");
    child.kill(by);
    const killer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await exited;
    clearTimeout(killer);
  }

  /** One request is enough once the port listens: it waits until the application is there. */
  async #answers(signal: AbortSignal): Promise<void> {
    while (this.#child !== undefined) {
      try {
        await (await fetch(`http://127.0.0.1:${this.port}/`, { signal, redirect: "manual" })).text();
        return;
      } catch (error) {
        if (signal.aborted) throw this.#failure("not answering in time", error);
        await sleep(20);
      }
    }
    // The process has ended; the other side of the race says how.
    await new Promise(() => {});
  }

  #failure(why: string, cause?: unknown): Error {
    return new Error(`${this.name} did not start (${why}); the end of its log:\n${this.logTail()}`, {
      cause,
    });
  }

  /** The last lines of its log. */
  logTail(lines = 20): string {
    return readFileSync(this.#log, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  }

  get #log(): string {
    return join(this.#stateDirectory, "log", `${this.name}.log`);
  }
}
