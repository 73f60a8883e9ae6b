import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll } from "vitest";
import { type Outcome, READY, type Scenario } from "./scenario.ts";

const MAIN = join(import.meta.dirname, "main.ts");

/** The same sources are compiled for every child. */
const CACHE = mkdtempSync(join(tmpdir(), "luksmith-testing-cache-"));
afterAll(() => rmSync(CACHE, { recursive: true, force: true }));

export interface Child {
  readonly process: ChildProcess;
  /** Resolves when the host is open and the operation begins, or the process has ended. */
  readonly ready: Promise<unknown>;
  /** What it printed; undefined when it was killed. */
  readonly outcome: Promise<Outcome | undefined>;
}

export interface ChildOptions {
  /** A command that runs the child: `["unshare", "--mount", …]`. */
  readonly through?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a process that does one operation. */
export function startChild(scenario: Scenario, { through = [], env = {} }: ChildOptions = {}): Child {
  const own = [process.execPath, "--conditions=luksmith-source", MAIN, JSON.stringify(scenario)];
  const [file = "", ...args] = [...through, ...own];
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_COMPILE_CACHE: CACHE, ...env },
  });
  return { process: child, ready: once(child.stdout, "data"), outcome: outcomeOf(child) };
}

async function outcomeOf(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Outcome | undefined> {
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  if (child.signalCode === "SIGKILL") return undefined;
  const line = output.split("\n").find((each) => each !== "" && each !== READY);
  if (line === undefined) throw new Error(`a child ended with ${child.exitCode}: ${errors}`);
  return JSON.parse(line) as Outcome;
}

/** Runs it to its end; undefined when it was killed. */
export async function runChild(scenario: Scenario, options?: ChildOptions): Promise<Outcome | undefined> {
  return await startChild(scenario, options).outcome;
}
