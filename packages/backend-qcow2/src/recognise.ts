import type { FileHandle } from "node:fs/promises";
import { BEARING_BYTES, type Bearing, bearingOf } from "@luksmith/core";
import { Qcow2File } from "@luksmith/qcow2";

const MAGIC = Buffer.from([0x51, 0x46, 0x49, 0xfb]);
const NOTHING: Bearing = { uuid: undefined, keySlots: undefined };

/** Reads headers only. An image that is too damaged to be opened says nothing of itself. */
export async function recognise(file: FileHandle): Promise<Bearing | undefined> {
  const { buffer } = await file.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
  if (!buffer.equals(MAGIC)) return undefined;
  try {
    const area = (await Qcow2File.open(file)).luksArea();
    return area ? bearingOf(await area.read(0, BEARING_BYTES)) : NOTHING;
  } catch {
    return NOTHING;
  }
}
