import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Migrates an instance in a process of its own, and kills that.
 * @param after milliseconds from its beginning on; undefined: it may end
 */
export async function migrateKilled(
  configFile: string,
  uuid: string,
  after: number | undefined,
  env: Readonly<Record<string, string>>,
): Promise<{ killed: boolean; tookMs: number }> {
  const main = join(import.meta.dirname, "kill-child.ts");
  const child = spawn(process.execPath, ["--conditions=luksmith-source", main, configFile, uuid], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  const ended = once(child, "close");
  await once(child.stdout, "data");
  const began = performance.now();
  if (after !== undefined) {
    await Promise.race([sleep(after), ended]);
    child.kill("SIGKILL");
  }
  const [exitCode, signal] = (await ended) as [number | null, string | null];
  if (signal === null && exitCode !== 0) throw new Error(`the child ended with ${exitCode}`);
  return { killed: signal === "SIGKILL", tookMs: performance.now() - began };
}
