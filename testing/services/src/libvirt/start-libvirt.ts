import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CACHE } from "./cache-directory.ts";
import { LibvirtEnv, type LibvirtInfo } from "./libvirt-env.ts";
import { type DaemonSignal, LibvirtProcess } from "./libvirt-process.ts";
import { type LibvirtOptions, writeConfiguration } from "./write-configuration.ts";

const START_TIMEOUT_MS = 60_000;

/** A libvirtd of one's own: stop it, kill it, start it again, dispose of it with all its guests. */
export class OwnLibvirt extends LibvirtEnv implements AsyncDisposable {
  readonly #process: LibvirtProcess;

  constructor(info: LibvirtInfo, daemon: LibvirtProcess) {
    super(info);
    this.#process = daemon;
  }

  /** Ends libvirtd; guests go on. */
  async stop(): Promise<void> {
    await this.#process.signal("TERM");
  }

  /** As a crash ends it; guests go on. */
  async kill9(): Promise<void> {
    await this.#process.signal("KILL");
  }

  /** `STOP` makes it hang until `CONT`. */
  async signal(name: DaemonSignal): Promise<void> {
    await this.#process.signal(name);
  }

  /** After `stop` or `kill9`; returns when it takes connections. It finds its guests again. */
  async start(): Promise<void> {
    await this.#process.start(AbortSignal.timeout(START_TIMEOUT_MS));
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** The end of its log. */
  logTail(lines?: number): string {
    return this.#process.logTail(lines);
  }

  /** Ends libvirtd and its guests and removes the state; again, it does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.end();
    await rm(this.stateDirectory, { recursive: true, force: true });
  }
}

/** Starts a libvirtd with state of its own, next to others. If it does not come up, nothing stays. */
export async function startLibvirt(options: LibvirtOptions = {}): Promise<OwnLibvirt> {
  if (process.getuid?.() !== 0) throw new Error("startLibvirt() makes namespaces, for which it must be root");
  const stateDirectory = await mkdtemp(join(tmpdir(), "lv-"));
  // libvirt asks QEMU what it can do, which takes seconds, and keeps the answers for each version of both.
  const capabilities = join(CACHE, "libvirt-capabilities");
  await mkdir(capabilities, { recursive: true });
  await writeConfiguration(stateDirectory, options);
  const daemon = new LibvirtProcess(stateDirectory, capabilities);
  const environment = new OwnLibvirt({ stateDirectory }, daemon);
  try {
    await environment.start();
    return environment;
  } catch (error) {
    await environment[Symbol.asyncDispose]();
    throw error;
  }
}
