import { constants } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import type { OverlayBytes } from "../ours/qcow2-disks.ts";

/** Makes a file of these bytes in a directory of its own, durable: the least that any program has to do; ms. */
export async function writeAllAndSync(path: string, { writes, length }: OverlayBytes): Promise<number> {
  const start = performance.now();
  await mkdir(dirname(path));
  const file = await open(path, "wx", 0o600);
  try {
    await file.truncate(length);
    for (const { offset, bytes } of writes) await file.write(bytes, 0, bytes.length, offset);
    await file.datasync();
  } finally {
    await file.close();
  }
  for (const directory of [dirname(path), dirname(dirname(path))]) {
    const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    await handle.sync().finally(() => handle.close());
  }
  return performance.now() - start;
}
