import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** Opens a directory, to sync the names in it; `closing` closes it. */
export async function openDirectory(path: string, closing: AsyncDisposableStack): Promise<FileHandle> {
  return closing.use(await open(path, constants.O_RDONLY | constants.O_DIRECTORY));
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  await using closing = new AsyncDisposableStack();
  const directory = await openDirectory(path, closing);
  await directory.sync();
}
