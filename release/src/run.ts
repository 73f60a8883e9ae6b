import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until it is killed; ten minutes if not given: registries may be slow. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end. @returns its standard output @throws what it said, if it fails */
export async function run(
  file: string,
  args: readonly string[],
  { cwd, env = {}, timeoutMs = 600_000 }: RunOptions,
) {
  const child = spawn(file, args, {
    cwd,
    // No spinner in what tests and logs show.
    env: { ...process.env, ...env, CI: "true", NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
  });
  const ended = Promise.withResolvers<string>();
  child.once("error", ended.reject);
  child.once("close", (code, signal) => ended.resolve(String(signal ?? code)));
  const [stdout, stderr, how] = await Promise.all([text(child.stdout), text(child.stderr), ended.promise]);
  if (how !== "0") throw new Error(`${file} ${args.join(" ")} ended with ${how}:\n${stdout}${stderr}`);
  return stdout;
}
