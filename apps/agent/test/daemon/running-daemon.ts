import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from "node:http";
import { join } from "node:path";
import { run, type RunOptions } from "../../src/index.ts";
import { MemoryIo } from "../memory-io.ts";
import { TemporaryHost } from "../temporary-host.ts";

/** What came back over the socket. */
export interface Reply<T = unknown> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: T;
}

export interface Sent {
  readonly body?: unknown;
  /** Instead of `body`, as it is. */
  readonly raw?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends one request over a unix socket, on a connection of its own. */
export async function call<T>(
  socketPath: string,
  method: string,
  path: string,
  sent: Sent = {},
): Promise<Reply<T>> {
  const { body, raw = body === undefined ? undefined : JSON.stringify(body), headers = {} } = sent;
  const type: Record<string, string> = raw === undefined ? {} : { "content-type": "application/json" };
  const request = httpRequest({ socketPath, method, path, agent: false, headers: { ...type, ...headers } });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request.once("response", resolve).on("error", reject).end(raw);
  const response = await promise;
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8");
  const json = (/json/.test(response.headers["content-type"] ?? "") ? JSON.parse(text) : undefined) as T;
  return { status: response.statusCode ?? 0, headers: response.headers, text, json };
}

/** A host of raw disks with a socket, and no daemon yet. */
export async function daemonHost(...lines: readonly string[]): Promise<TemporaryHost> {
  const host = await TemporaryHost.create();
  const plugins = "plugins = @luksmith/backend-raw, @luksmith/keymgr-local";
  await host.configure(plugins, `socket = ${socketOf(host)}`, ...lines);
  return host;
}

export function socketOf(host: TemporaryHost): string {
  return join(host.path, "luksmith.sock");
}

/** `luksmith serve` in this process. */
export class Daemon implements AsyncDisposable {
  readonly host: TemporaryHost;
  readonly io: MemoryIo;
  readonly ended: Promise<number>;

  private constructor(host: TemporaryHost, io: MemoryIo, ended: Promise<number>) {
    this.host = host;
    this.io = io;
    this.ended = ended;
  }

  /** Resolves when it listens. */
  static async start(host: TemporaryHost, options: RunOptions = {}): Promise<Daemon> {
    const io = new MemoryIo({ cwd: host.path });
    const ended = run(["--config-file", host.configFile, "serve"], io, options);
    let over = false;
    void ended.then(() => (over = true));
    while (!io.err.includes('"listening"')) {
      if (over) throw new Error(`the daemon did not start: ${io.err}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return new Daemon(host, io, ended);
  }

  get socket(): string {
    return socketOf(this.host);
  }

  call<T>(method: string, path: string, sent?: Sent): Promise<Reply<T>> {
    return call<T>(this.socket, method, path, sent);
  }

  /** Asks it to stop; resolves with its exit code. */
  async stop(): Promise<number> {
    this.io.interrupt("SIGTERM");
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** `luksmith serve` in a process of its own. */
export class DaemonProcess implements AsyncDisposable {
  readonly host: TemporaryHost;
  readonly process: ChildProcess;
  #log = "";

  private constructor(host: TemporaryHost, process: ChildProcess) {
    this.host = host;
    this.process = process;
    process.stderr?.on("data", (chunk: Buffer) => (this.#log += chunk.toString()));
  }

  /** @param killAt kill it with SIGKILL at this event of the journal */
  static async start(host: TemporaryHost, killAt?: string): Promise<DaemonProcess> {
    const main = join(import.meta.dirname, killAt === undefined ? "../../src/main.ts" : "../crash-run.ts");
    const first = killAt === undefined ? [] : [killAt];
    const args = ["--conditions=luksmith-source", main, ...first, "--config-file", host.configFile, "serve"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    const daemon = new DaemonProcess(host, child);
    while (!daemon.log.includes('"listening"')) {
      if (child.exitCode !== null) throw new Error(`the daemon did not start: ${daemon.log}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return daemon;
  }

  get log(): string {
    return this.#log;
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  call<T>(method: string, path: string, sent?: Sent): Promise<Reply<T>> {
    return call<T>(socketOf(this.host), method, path, sent);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return this.process.exitCode;
    const exit = once(this.process, "exit");
    this.process.kill(signal);
    const [code] = (await exit) as [number | null];
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}
