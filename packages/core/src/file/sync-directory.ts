import { closeSync, constants, fsync, openSync } from "node:fs";
import { promisify } from "node:util";

const sync = promisify(fsync);

/** Makes the names in a directory durable. Opening and closing it takes microseconds, so that it needs no thread. */
export async function syncDirectory(path: string): Promise<void> {
  using directory = openDirectory(path);
  await directory.sync();
}

/** Opens a directory, to sync the names in it. */
export function openDirectory(path: string): Disposable & { sync(): Promise<void> } {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  return { sync: () => sync(fd), [Symbol.dispose]: () => closeSync(fd) };
}
