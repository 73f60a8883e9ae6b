import type { CommandCost } from "./command.ts";

export type Cost = Pick<CommandCost, "wallMs" | "cpuMs">;

/** What `work` costs this process, all its threads included. */
export async function costOf(work: () => Promise<void>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1000 };
}
