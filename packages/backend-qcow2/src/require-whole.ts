import { LuksmithError } from "@luksmith/core";
import type { Qcow2File } from "@luksmith/qcow2";

/**
 * Makes sure that every cluster in use is one, and in the file. QEMU takes what is beyond a file's end for zeros, and
 * decrypts those to noise: a copy of a disk that was cut short would look whole.
 * @throws `DiskNotProven`, `Qcow2TableInvalid`
 */
export async function requireWhole(image: Qcow2File, label: string): Promise<void> {
  for await (const run of image.runs()) {
    if (run.kind !== "data" || run.hostOffset + run.length <= BigInt(image.fileSize)) continue;
    throw new LuksmithError(
      "DiskNotProven",
      `${label} was cut short: its file ends at byte ${image.fileSize}, data was at ${run.hostOffset}; nothing was touched, restore it from a backup`,
      { details: { fileSize: image.fileSize, hostOffset: Number(run.hostOffset) } },
    );
  }
}
