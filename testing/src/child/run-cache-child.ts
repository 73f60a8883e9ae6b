import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll } from "vitest";
import type { CacheOutcome, CacheScenario } from "./cache-scenario.ts";

const MAIN = join(import.meta.dirname, "cache-main.ts");

/** The same sources are compiled for every child. */
const CACHE = mkdtempSync(join(tmpdir(), "luksmith-testing-cache-"));
afterAll(() => rmSync(CACHE, { recursive: true, force: true }));

export interface CacheChildOptions {
  readonly path?: string;
  /** A command that runs the child. */
  readonly through?: readonly string[];
  /** Kills it when this resolves. */
  readonly kill?: Promise<unknown>;
}

/** Runs creates in a process of their own; undefined when it was killed. */
export async function runCacheChild(
  scenario: CacheScenario,
  { path = process.env["PATH"] ?? "", through = [], kill }: CacheChildOptions = {},
): Promise<CacheOutcome | undefined> {
  const own = [process.execPath, "--conditions=luksmith-source", MAIN, JSON.stringify(scenario)];
  const [file = "", ...args] = [...through, ...own];
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_COMPILE_CACHE: CACHE, PATH: path },
  });
  void kill?.then(() => child.kill("SIGKILL"));
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  if (child.signalCode === "SIGKILL") return undefined;
  const line = output.trim().split("\n").at(-1);
  if (!line) throw new Error(`a child ended with ${child.exitCode}: ${errors}`);
  return JSON.parse(line) as CacheOutcome;
}
