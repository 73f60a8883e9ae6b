import { type ChildProcess, spawn } from "node:child_process";
import { SecretFile } from "./secret-file.ts";

export interface MeasuredCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** Given to the program as the file `SECRET_PATH`: in memory, without a name, by inheritance. */
  readonly secret?: Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

/** What a program took from fork to exit, its children included. */
export interface CommandCost {
  readonly wallMs: number;
  /** User and system time. */
  readonly cpuMs: number;
  readonly stdout: string;
}

/** Where a program finds its secret. */
export const SECRET_PATH = "/dev/fd/3";

/** A program that did not succeed. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly stderr: string;

  constructor(command: MeasuredCommand, status: string, stderr: string) {
    super(`${command.file} ${command.args.join(" ")} ended with ${status}: ${stderr.trim()}`);
    this.stderr = stderr;
  }
}

/** The shell's `time` reports what wait4(2) says, to the millisecond and without the shell's own start. */
const TIMED = String.raw`TIMEFORMAT=$'\n%3R %3U %3S'; time "$@"`;

const running = new Set<ChildProcess>();

/** Runs a program and says what it cost. */
export async function measureCommand(command: MeasuredCommand): Promise<CommandCost> {
  using secret = command.secret && new SecretFile(command.secret);
  const child = spawn("bash", ["-c", TIMED, "bash", command.file, ...command.args], {
    stdio: ["ignore", "pipe", "pipe", ...(secret ? [secret.fd] : [])],
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], LC_ALL: "C", ...command.env },
    // A process group of its own: what the shell started ends with it.
    detached: true,
  });
  running.add(child);
  try {
    const [stdout, stderr, status] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      ended(child),
    ]);
    const times = /\n(\d+\.\d+) (\d+\.\d+) (\d+\.\d+)\n$/.exec(stderr);
    if (status !== "exit code 0" || times === null) {
      throw new CommandFailure(command, status, times ? stderr.slice(0, times.index) : stderr);
    }
    const [wall, user, system] = times.slice(1).map(Number);
    return { wallMs: (wall ?? 0) * 1000, cpuMs: ((user ?? 0) + (system ?? 0)) * 1000, stdout };
  } finally {
    running.delete(child);
  }
}

/** Ends every program that is still running. */
export function endCommands(): void {
  for (const { pid } of running) {
    try {
      if (pid !== undefined) process.kill(-pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
}

async function text(stream: NodeJS.ReadableStream | null): Promise<string> {
  const chunks: string[] = [];
  if (stream === null) return "";
  for await (const chunk of stream.setEncoding("utf8")) chunks.push(String(chunk));
  return chunks.join("");
}

function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
}
