import { randomUUID } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A command for the guest. */
export interface GuestCommand {
  readonly argv: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: Uint8Array;
}

export interface GuestResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** Hands commands to the guest's agent through files that both see, and hears of their end over its terminal. */
export class GuestCommands {
  readonly #control: string;
  readonly #send: (line: string) => void;
  readonly #running = new Map<string, { end(exitCode: number): void; fail(error: Error): void }>();
  #gone: Error | undefined;

  /** @param send says a line on the terminal */
  constructor(control: string, send: (line: string) => void) {
    this.#control = control;
    this.#send = send;
  }

  /** A line of the agent's. */
  hear(line: string): void {
    const [name = "", exitCode = ""] = line.split(" ");
    this.#running.get(name)?.end(Number(exitCode));
  }

  /** The guest has ended: nothing is answered any more. */
  fail(error: Error): void {
    this.#gone = error;
    for (const each of this.#running.values()) each.fail(error);
  }

  /** @param signal kills the command with all it has started */
  async run(command: GuestCommand, signal?: AbortSignal): Promise<GuestResult> {
    const name = randomUUID();
    const directory = join(this.#control, name);
    await mkdir(directory, { mode: 0o700 });
    const end = (): void => this.#send(`end ${name}`);
    try {
      await writeFile(join(directory, "in"), command.stdin ?? "");
      await writeFile(join(directory, "command"), script(command, directory));
      signal?.throwIfAborted();
      const exitCode = await new Promise<number>((resolve, reject) => {
        if (this.#gone) reject(this.#gone);
        this.#running.set(name, { end: resolve, fail: reject });
        signal?.addEventListener("abort", end);
        this.#send(`run ${name}`);
      });
      const [stdout, stderr] = [readFile(join(directory, "out")), readFile(join(directory, "err"))];
      return { exitCode, stdout: await stdout, stderr: await stderr };
    } finally {
      signal?.removeEventListener("abort", end);
      this.#running.delete(name);
      await rm(directory, { recursive: true, force: true });
    }
  }
}

function script({ argv, cwd = "/root", env = {} }: GuestCommand, directory: string): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}`);
  const lines = [
    `echo $$ > ${quote(join(directory, "pid"))}`,
    ...exports,
    `cd ${quote(cwd)} || exit 125`,
    `exec ${argv.map(quote).join(" ")}`,
  ];
  return `${lines.join("\n")}\n`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
