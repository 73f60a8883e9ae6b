import { open } from "node:fs/promises";
import { measureCommand } from "../harness/command.ts";
import { type Cost, costOf } from "../harness/cost.ts";

const BLOCK = 1024 * 1024;

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
    for (let at = 0; ;) {
      const { bytesRead } = await from.read(block, 0, BLOCK, at);
      if (bytesRead === 0) break;
      await to.write(block, 0, bytesRead, at);
      at += bytesRead;
    }
    await to.datasync();
  });
}
