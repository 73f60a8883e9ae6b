import { open } from "node:fs/promises";
import type { LuksEngine, VolumeKey } from "@luksmith/luks";
import { type CommandCost, measureCommand } from "../harness/command.ts";

export type Cost = Pick<CommandCost, "wallMs" | "cpuMs">;

const BLOCK = 1024 * 1024;

/** What `work` costs this process, all its threads included. */
export async function costOf(work: () => Promise<void>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1000 };
}

/** `cp`, then `sync` of the copy. */
export function copyWithCp(source: string, target: string): Promise<Cost> {
  const script = 'cp --reflink=never --sparse=never "$1" "$2" && sync --data "$2"';
  return measureCommand({ file: "sh", args: ["-c", script, "sh", source, target] });
}

/** The plainest copy in Node: read, write, sync. */
export function copyAndSync(source: string, target: string): Promise<Cost> {
  return costOf(async () => {
    await using from = await open(source, "r");
    await using to = await open(target, "wx", 0o600);
    const block = Buffer.alloc(BLOCK);
    for (let at = 0; ; ) {
      const { bytesRead } = await from.read(block, 0, BLOCK, at);
      if (bytesRead === 0) break;
      await to.write(block, 0, bytesRead, at);
      at += bytesRead;
    }
    await to.datasync();
  });
}

/** Ours: encrypts into a container and syncs, as the agent does. */
export function copyWithEngine(
  engine: LuksEngine,
  source: string,
  container: { readonly fd: number; readonly dataOffset: bigint; readonly volumeKey: VolumeKey },
  bytes: number,
): Promise<Cost> {
  const { fd, dataOffset, volumeKey } = container;
  return costOf(async () => {
    await using from = await open(source, "r");
    await engine.copy({
      from: { fd: from.fd, offset: 0n },
      to: { fd, offset: dataOffset, volumeKey },
      length: BigInt(bytes),
    });
    await syncData(fd);
  });
}
