import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { openExisting, type StoredPayload } from "@luksmith/core";
import { guestRuns, Qcow2File } from "@luksmith/qcow2";

/**
 * What an image has of its guest's bytes, as it is in the file. Its tables are those of this moment: clusters that a guest adds
 * while this is open are not seen.
 */
export async function storedClusters(path: string): Promise<StoredPayload> {
  const handle = await openExisting(path, constants.O_RDONLY);
  try {
    const image = await Qcow2File.open(handle);
    return {
      read: (position, length) => readStored(image, handle, position, length),
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Undefined unless all of it is in the image: a part of another is none of its bytes. */
async function readStored(
  image: Qcow2File,
  handle: FileHandle,
  position: bigint,
  length: number,
): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(length);
  for await (const run of guestRuns(image, { start: position, length: BigInt(length) })) {
    if (run.kind !== "data") return undefined;
    const from = Number(run.start - position);
    const part = bytes.subarray(from, from + Number(run.length));
    for (let done = 0; done < part.length;) {
      const { bytesRead } = await handle.read(part, done, part.length - done, Number(run.hostOffset) + done);
      if (bytesRead === 0) return bytes.subarray(0, from + done);
      done += bytesRead;
    }
  }
  return bytes;
}
