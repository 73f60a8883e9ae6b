import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { OwnLibvirt } from "./start-libvirt.ts";

/** As a power cut of the host: libvirtd and the guests end at once, what is in memory is gone, what is on disk stays. Without `start`, libvirtd is not up yet. */
export async function rebootHost(
  env: OwnLibvirt,
  guests: readonly string[],
  { start = true }: { readonly start?: boolean } = {},
): Promise<void> {
  const pids = await Promise.all(guests.map((name) => env.qemuPid(name)));
  await env.kill9();
  for (const pid of pids) if (pid !== undefined) process.kill(pid, "SIGKILL");
  for (const name of guests) while ((await env.qemuPid(name)) !== undefined) await sleep(10);
  // /run is in memory. Only names of its own: the directory itself is mounted.
  const run = join(env.stateDirectory, "run");
  for (const name of readdirSync(run)) rmSync(join(run, name), { recursive: true, force: true });
  if (start) await env.start();
}
