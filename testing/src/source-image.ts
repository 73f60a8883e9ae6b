import { createHash, randomFillSync } from "node:crypto";
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { runTool } from "./run-tool.ts";

/** Says where it is from, so that a leak of it is recognised anywhere; 41 bytes. */
export const CANARY = "luksmith canary: this must never be plain";

/** Random bytes with the canary at the beginning of every 64 KiB. */
export function randomImage(path: string, bytes: number): string {
  const data = randomFillSync(Buffer.alloc(bytes));
  for (let at = 0; at + CANARY.length <= bytes; at += 65_536) data.write(CANARY, at, "latin1");
  writeFileSync(path, data);
  return createHash("sha256").update(data).digest("hex");
}

/** The canary at the beginning and at the end, holes between. */
export function sparseImage(path: string, bytes: number): void {
  const fd = openSync(path, "wx");
  try {
    ftruncateSync(fd, bytes);
    writeSync(fd, CANARY, 0, "latin1");
    writeSync(fd, CANARY, bytes - CANARY.length, "latin1");
  } finally {
    closeSync(fd);
  }
}

/** An ext4 file system whose one file says the canary many times. */
export async function ext4Image(path: string, bytes: number, scratch: string): Promise<void> {
  const tree = join(scratch, "tree");
  mkdirSync(join(tree, "etc"), { recursive: true });
  writeFileSync(join(tree, "etc/motd"), `${CANARY}\n`.repeat(1000));
  await runTool("mke2fs", ["-q", "-F", "-t", "ext4", "-d", tree, path, `${bytes / 1024}k`]);
}
