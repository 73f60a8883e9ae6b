import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type CommandRunner, LuksmithError, type OpContext } from "@luksmith/core";
import type { CephFailure } from "./ceph-error.ts";

const HELPER = join(import.meta.dirname, "../../helper/librbd.py");
/** As long as Node's timers go, three weeks: then the next call starts another. */
const LIFE_MS = 2 ** 31 - 1;

/** An answer of the helper. */
export type Answer = { readonly result: unknown } | { readonly error: CephFailure };

export interface LibrbdSettings {
  readonly python: string;
  /** Passed on as JSON; nothing secret: the key is in the user's keyring. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** An open file that it reads and writes images' bytes in. */
  readonly window: number;
}

/**
 * Python's librbd as a process that lives as long as this object: each connection to a cluster costs more than most of what
 * is done with it. Requests and answers go over a unix socket; when that closes, it closes its images and ends.
 */
export class LibrbdProcess {
  readonly #socket: Socket;
  readonly #ended: Promise<unknown>;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #stop: AbortController;
  readonly #connected: Promise<Answer>;
  #next = 1;
  #gone = false;

  private constructor(socket: Socket, ended: Promise<unknown>, stop: AbortController) {
    this.#socket = socket;
    this.#ended = ended;
    this.#stop = stop;
    // Whoever waits for an answer keeps this process alive, not the connection.
    socket.unref();
    socket.on("error", () => {});
    socket.once("close", () => this.#lost());
    // The first answer, which nobody asked for; it may come before anybody waits for it.
    this.#connected = this.#answer(0);
    const lines = createInterface({ input: socket });
    // It throws its input's errors on: a helper that dies with a request unread resets the connection, and "close" says so.
    lines.on("error", () => {});
    lines.on("line", (line) => {
      const { id, ...answer } = parseAnswer(line);
      if (id !== undefined) this.#waiting.get(id)?.(answer as Answer);
    });
  }

  /** @throws `CommandNotFound`; `CephUnavailable`: the helper ended at once, with what it said */
  static async start(
    { python, settings, window }: LibrbdSettings,
    commands: CommandRunner,
    ctx: OpContext,
  ): Promise<LibrbdProcess> {
    const directory = await mkdtemp(join(tmpdir(), "luksmith-rbd-"));
    const path = join(directory, "socket");
    const server = createServer();
    const stop = new AbortController();
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(path, resolve);
      });
      const connected = new Promise<Socket>((resolve) => server.once("connection", resolve));
      const command = { file: python, args: [HELPER, path, JSON.stringify(settings)], inheritFds: [window] };
      const own = { requestId: `librbd-${randomUUID()}`, signal: stop.signal, log: ctx.log };
      const ended = commands.run({ ...command, timeoutMs: LIFE_MS }, own);
      const failed = ended.then(
        () => Promise.reject(notThere("it ended at once")),
        (error: unknown) => Promise.reject(notThere(error instanceof Error ? error.message : String(error))),
      );
      failed.catch(() => undefined);
      return new LibrbdProcess(await Promise.race([connected, failed]), ended, stop);
    } catch (error) {
      stop.abort();
      throw error;
    } finally {
      server.close();
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** Whether it ended: ask another. */
  get isGone(): boolean {
    return this.#gone;
  }

  /** Of its connection to the cluster. */
  connected(): Promise<Answer> {
    return this.#connected;
  }

  call(op: string, args: Readonly<Record<string, unknown>>): Promise<Answer> {
    const id = this.#next++;
    const answer = this.#answer(id);
    this.#socket.write(`${JSON.stringify({ id, op, arguments: args })}\n`);
    return answer;
  }

  /** Ends it whatever it waits for. What it was told to do may or may not be done. */
  kill(): void {
    this.#stop.abort(new Error("given up"));
    this.#socket.destroy();
    this.#lost();
  }

  /** Lets it close its images and end. */
  async close(): Promise<void> {
    this.#socket.ref();
    this.#socket.end();
    await this.#ended.catch(() => undefined);
  }

  async #answer(id: number): Promise<Answer> {
    if (this.#gone) return LOST;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, resolve);
    this.#socket.ref();
    try {
      return await promise;
    } finally {
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#socket.unref();
    }
  }

  #lost(): void {
    this.#gone = true;
    for (const resolve of this.#waiting.values()) resolve(LOST);
  }
}

/** A helper that is killed while it writes leaves half a line; "close" says what has become of it. */
function parseAnswer(line: string): Partial<Answer> & { readonly id?: number } {
  try {
    return JSON.parse(line) as Answer & { readonly id: number };
  } catch {
    return {};
  }
}

const LOST: Answer = {
  error: { errno: "ENOTCONN", message: "the process that talks to Ceph ended before it answered" },
};

function notThere(why: string): LuksmithError {
  return new LuksmithError(
    "CephUnavailable",
    `librbd could not be started: ${why}; install the Debian packages python3-rbd and python3-rados, or set [luksmith:backend-rbd] python`,
  );
}
