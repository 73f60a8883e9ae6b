import { randomFillSync } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";

const BLOCK = 16 * 1024 * 1024;

/** Makes a file without holes or repetitions; it is in the page cache afterwards. */
export function makeSource(path: string, bytes: number): string {
  const fd = openSync(path, "wx", 0o600);
  try {
    const block = Buffer.alloc(BLOCK);
    for (let at = 0; at < bytes; at += BLOCK) {
      randomFillSync(block);
      writeSync(fd, block, 0, Math.min(BLOCK, bytes - at), at);
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return path;
}
