import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

export interface ChildScenario {
  readonly servers: readonly string[];
  readonly directory: string;
  readonly ids: readonly string[];
  readonly retries: number;
  readonly readyAtBytes?: number;
}

export interface ChildOutcome {
  /** For each id the SHA-512 of what was opened, or the code of the error. */
  readonly results: readonly string[];
  /** In the directory afterwards. */
  readonly names: readonly string[];
}

export interface Child {
  readonly process: ChildProcess;
  /** Resolves when so much has come, or the process has ended. */
  readonly ready: Promise<unknown>;
  /** Undefined when it was killed. */
  readonly outcome: Promise<ChildOutcome | undefined>;
}

const MAIN = join(import.meta.dirname, "child-main.ts");

/** Opens images in a process of its own. @param through a command that runs it */
export function startChild(scenario: ChildScenario, token: string, through: readonly string[] = []): Child {
  const own = [process.execPath, "--conditions=luksmith-source", MAIN, JSON.stringify(scenario)];
  const [file = "", ...args] = [...through, ...own];
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TEST_TOKEN: token },
  });
  const outcome = (async () => {
    const [output, errors] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    if (child.signalCode === "SIGKILL") return undefined;
    const line = output.trim().split("\n").at(-1);
    if (!line) throw new Error(`a child ended with ${child.exitCode}: ${errors}`);
    return JSON.parse(line) as ChildOutcome;
  })();
  return { process: child, ready: Promise.race([once(child.stdout, "data"), outcome]), outcome };
}
