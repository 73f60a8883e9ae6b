import { constants } from "node:fs";
import { openExisting, type OpenParts, type UnlockedDisk } from "@luksmith/core";
import { guestRuns, Qcow2File } from "@luksmith/qcow2";

/**
 * Opens an encrypted image's clusters for a copy to or from one with the same tables.
 * @param unlocked disposed with what is returned
 */
export async function openClusters(
  path: string,
  access: "read" | "write",
  unlocked: UnlockedDisk | undefined,
): Promise<OpenParts> {
  await using stack = new AsyncDisposableStack();
  if (unlocked) stack.use(unlocked);
  const handle = await openExisting(path, access === "read" ? constants.O_RDONLY : constants.O_RDWR);
  stack.defer(() => handle.close());
  const image = await Qcow2File.open(handle);
  const kept = stack.move();
  return {
    mostBytes: undefined,
    part: async (start, length) => {
      const extents: { start: bigint; length: bigint }[] = [];
      for await (const run of guestRuns(image, { start, length })) {
        if (run.kind === "data") extents.push({ start: run.hostOffset, length: run.length });
      }
      return {
        end: { fd: handle.fd, offset: 0n, ...(unlocked ? { volumeKey: unlocked.volumeKey } : {}) },
        length: BigInt(image.fileSize),
        extents,
        store: async () => {},
        [Symbol.asyncDispose]: async () => {},
      };
    },
    sync: () => handle.datasync(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
