import type { FileHandle } from "node:fs/promises";
import { BEARING_BYTES, type Bearing, bearingOf } from "@luksmith/core";

const QCOW_MAGIC = Buffer.from([0x51, 0x46, 0x49, 0xfb]);

/** A file that begins as a qcow2 image is taken for one of the backend qcow2: a plain disk of ours may be its guest's work. */
export async function recognise(file: FileHandle): Promise<Bearing | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(BEARING_BYTES), 0, BEARING_BYTES, 0);
  const bytes = buffer.subarray(0, bytesRead);
  return bytes.subarray(0, 4).equals(QCOW_MAGIC) ? undefined : bearingOf(bytes);
}
