import type { SectorCipher } from "../crypto/sector-cipher.ts";
import { openEnd, readChunk } from "./bulk-end.ts";
import { bulkKernel, inLanes } from "./bulk-lanes.ts";
import type { FindDataJob, Results } from "./wire.ts";
import { isZero } from "./zero-blocks.ts";

const SECTOR = 512;

/** Data nearly always shows in its first bytes: the rest is decrypted only where these are zero. */
const FIRST_LOOK = 4096;

/** Looks through a source in this thread, one at a time. See `LuksEngine.findData`. */
export async function runFindData(job: FindDataJob): Promise<Results["find-data"]> {
  const { spans, length, unit } = job;
  const kernel = bulkKernel();
  const first = Math.floor((spans[0]?.start ?? 0) / unit);
  const last = spans.at(-1);
  const found = new Uint8Array(last ? Math.ceil((last.start + last.length) / unit) - first : 0);
  try {
    const from = openEnd(job.from, kernel);
    await inLanes(spans, kernel, job.cancel, async (chunk, data) => {
      await readChunk(from, data, chunk, length);
      for (let at = 0; at < data.length;) {
        const index = Math.floor((chunk.start + at) / unit);
        const end = Math.min(data.length, (index + 1) * unit - chunk.start);
        const sector = (chunk.source + at) / SECTOR;
        if (found[index - first] === 0 && hasData(data.subarray(at, end), sector, from.cipher)) {
          found[index - first] = 1;
        }
        at = end;
      }
    });
    return { found };
  } finally {
    kernel.wipe();
  }
}

function hasData(data: Uint8Array, sector: number, cipher: SectorCipher | undefined): boolean {
  const head = data.subarray(0, FIRST_LOOK);
  const rest = data.subarray(FIRST_LOOK);
  cipher?.decrypt(head, sector);
  if (!isZero(head)) return true;
  cipher?.decrypt(rest, sector + FIRST_LOOK / SECTOR);
  return !isZero(rest);
}
