import type { FileHandle } from "node:fs/promises";
import { LUKS_AREA_BYTES, LuksArea } from "@luksmith/qcow2";

const MAGIC = Buffer.from("LUKS\xba\xbe\0\x01", "latin1");
const CLUSTER_LEAST = 512;
const CHUNK = 1024 * 1024;
/** The area of an image that we made begins before: it comes right after the tables of the empty image. */
const SEARCHED = 64 * 1024 * 1024;

/**
 * Finds the LUKS area of an image whose own header does not tell any more; failing that, the beginning of the file. Only
 * for erasing a file that is known to be ours.
 */
export async function lostHeader(file: FileHandle, release: () => Promise<void>): Promise<LuksArea> {
  const { size } = await file.stat();
  const chunk = Buffer.alloc(CHUNK);
  for (let at = 0; at < Math.min(size, SEARCHED); at += CHUNK) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK, at);
    const found = findMagic(chunk.subarray(0, bytesRead));
    if (found === undefined) continue;
    return new LuksArea(file, { offset: at + found, length: LUKS_AREA_BYTES }, release);
  }
  return new LuksArea(file, { offset: 0, length: LUKS_AREA_BYTES }, release);
}

function findMagic(bytes: Buffer): number | undefined {
  let at = bytes.indexOf(MAGIC);
  while (at !== -1 && at % CLUSTER_LEAST !== 0) at = bytes.indexOf(MAGIC, at + 1);
  return at === -1 ? undefined : at;
}
