import type { Interrupted, Io, Output } from "../src/index.ts";

/** An `Io` that keeps what is written, and whose signals a test raises. */
export class MemoryIo implements Io {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Record<string, string>;
  readonly cwd: string;
  readonly #listeners = new Set<Interrupted>();
  #out = Buffer.alloc(0);
  #err = "";

  constructor(
    options: {
      stdin?: string | Uint8Array;
      env?: Record<string, string>;
      cwd?: string;
      isTTY?: boolean;
    } = {},
  ) {
    const { stdin = "", env = {}, cwd = "/", isTTY = false } = options;
    this.env = env;
    this.cwd = cwd;
    this.stdin = chunks(stdin);
    this.stdout = {
      write: async (data) => void (this.#out = Buffer.concat([this.#out, Buffer.from(data as Uint8Array)])),
      isTTY,
      columns: 80,
    };
    this.stderr = { write: async (data) => void (this.#err += data.toString()), isTTY, columns: 80 };
  }

  get out(): string {
    return this.#out.toString("utf8");
  }

  get err(): string {
    return this.#err;
  }

  onInterrupt(listener: Interrupted): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  interrupt(signal: NodeJS.Signals): void {
    for (const listener of this.#listeners) listener(signal);
  }
}

async function* chunks(text: string | Uint8Array): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
}
