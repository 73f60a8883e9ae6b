import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, constants, mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Writable } from "node:stream";
import { GuestCommands } from "./guest-commands.ts";
import type { KernelTree } from "./kernel-tree.ts";

/** Each is looked at by every command of LVM; hence no more. */
export const DISK_NAMES = ["ubda", "ubdb", "ubdc", "ubdd", "ubde", "ubdf"];
/** Sparse: only what is written takes room. */
const DISK_BYTES = 4 * 1024 ** 3;
const MEMORY_MB = 1280;
const START_TIMEOUT_MS = 120_000;
const END_TIMEOUT_MS = 3000;

/** A running kernel; when the process that started it ends, however, the kernel ends too. */
export class GuestProcess {
  readonly commands: GuestCommands;
  readonly #child: ChildProcess;
  readonly #requests: Writable;

  private constructor(child: ChildProcess, requests: Writable, commands: GuestCommands) {
    this.#child = child;
    this.#requests = requests;
    this.commands = commands;
  }

  /**
   * Returns when it takes commands.
   * @param stateDirectory empty; gets disks, log and what is shared (`control`)
   * @param systemd is the guest's first process, with units of the caller's only
   * @param workspace seen under its name; what the guest writes there stays in its memory
   */
  static async start(
    tree: KernelTree,
    stateDirectory: string,
    workspace: string,
    systemd = false,
  ): Promise<GuestProcess> {
    const control = join(stateDirectory, "control");
    await mkdir(control);
    const disks: string[] = [];
    for (const name of DISK_NAMES) {
      const path = join(stateDirectory, name);
      await using file = await open(path, "w");
      await file.truncate(DISK_BYTES);
      disks.push(`${name}=${path}`);
    }
    await using log = await open(join(stateDirectory, "console"), "w");
    const root = ["root=/dev/root", "rootfstype=hostfs", `rootflags=${tree.root}`, "ro", "init=/guest-init"];
    const terminals = ["con=null", "con0=null,fd:2", "con1=fd:3,fd:4"];
    const ours = [`luksmith.control=${control}`, `luksmith.workspace=${workspace}`];
    if (systemd) ours.push("luksmith.systemd");
    const place = [`mem=${MEMORY_MB}M`, "umid=guest", `uml_dir=${stateDirectory}`];
    const child = spawn(tree.kernel, [...place, ...root, ...terminals, ...ours, "quiet", ...disks], {
      detached: true, // leads a process group of its own: each of the guest's processes is one here
      stdio: ["ignore", log.fd, log.fd, "pipe", "pipe"],
      // Its memory is a file there.
      env: { PATH: "/usr/bin:/bin", TMPDIR: await memoryDirectory(stateDirectory) },
    });
    const [requests, answers] = [child.stdio[3] as Writable, child.stdio[4] as NodeJS.ReadableStream];
    // What cannot be said to a guest that has ended shows in its end.
    requests.on("error", () => {});
    const commands = new GuestCommands(control, (line) => requests.write(`${line}\n`));
    const guest = new GuestProcess(child, requests, commands);
    const lines = createInterface({ input: answers });
    const ready = once(lines, "line", { signal: AbortSignal.timeout(START_TIMEOUT_MS) });
    const ended = once(child, "close").then(async () => {
      throw new Error(`the kernel has ended; its console:\n${await tail(join(stateDirectory, "console"))}`);
    });
    ended.catch((error: unknown) => commands.fail(error as Error));
    try {
      await Promise.race([ready, ended]);
    } catch (error) {
      await guest.end();
      throw error;
    }
    lines.on("line", (line) => commands.hear(line));
    return guest;
  }

  /** Switches it off; its memory is lost. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    const killer = setTimeout(() => this.#kill(), END_TIMEOUT_MS);
    this.#requests.end("off\n");
    await exited;
    clearTimeout(killer);
    this.#kill();
  }

  #kill(): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // All of it has ended.
    }
  }
}

async function memoryDirectory(otherwise: string): Promise<string> {
  return await access("/dev/shm", constants.W_OK).then(
    () => "/dev/shm",
    () => otherwise,
  );
}

async function tail(path: string): Promise<string> {
  return (await readFile(path, "utf8").catch(() => "")).trimEnd().split("\n").slice(-30).join("\n");
}
