import { constants } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import type { OverlayBytes } from "../ours/qcow2-disks.ts";

/** Makes a file of these bytes in a directory of its own, durable: the least that any program has to do; ms. */
export async function writeAllAndSync(path: string, bytes: OverlayBytes): Promise<number> {
  const start = performance.now();
  await mkdir(dirname(path));
  await writeNew(path, bytes);
  for (const directory of [dirname(path), dirname(dirname(path))]) {
    const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    await handle.sync().finally(() => handle.close());
  }
  return performance.now() - start;
}

/** Only the bytes, into an open file that has a name already: nothing says that a crash leaves that name; ms. */
export async function writeAllIntoOpenFile(path: string, bytes: OverlayBytes): Promise<number> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.sync();
    const start = performance.now();
    await write(file, bytes);
    return performance.now() - start;
  } finally {
    await file.close();
  }
}

async function writeNew(path: string, bytes: OverlayBytes): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await write(file, bytes);
  } finally {
    await file.close();
  }
}

async function write(file: FileHandle, { writes, length }: OverlayBytes): Promise<void> {
  await file.truncate(length);
  for (const { offset, bytes } of writes) await file.write(bytes, 0, bytes.length, offset);
  await file.datasync();
}
