import { randomFillSync } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";

const HEADER_BYTES = 4096;
/** 64 key bytes in 4000 stripes, in whole sectors. */
const KEY_MATERIAL_BYTES = 256_000;

const header = randomFillSync(new Uint8Array(HEADER_BYTES));
const keyMaterial = randomFillSync(new Uint8Array(KEY_MATERIAL_BYTES));

/** What no program that makes a LUKS file durable can do without: the same bytes, the same size, synced. */
export async function writeAndSync(path: string, bytes: number): Promise<number> {
  const start = performance.now();
  await mkdir(dirname(path));
  const file = await open(path, "wx", 0o600);
  try {
    await file.write(keyMaterial, 0, keyMaterial.length, HEADER_BYTES);
    await file.write(header, 0, header.length, 0);
    await file.truncate(bytes);
    await file.datasync();
  } finally {
    await file.close();
  }
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
  return performance.now() - start;
}
