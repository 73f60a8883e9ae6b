import { type BulkEnd, openEnd, readChunk } from "./bulk-end.ts";
import { bulkKernel, inLanes } from "./bulk-lanes.ts";
import type { CompareJob, Results } from "./wire.ts";

const SECTOR = 512;
/** Bytes that are decrypted and looked at together. */
const BLOCK = 64 * 1024;

/** Compares the data of two ends in this thread, one job at a time. See `LuksEngine.firstDifference`. */
export async function runCompare(
  job: CompareJob,
  onProgress: (bytes: number) => void,
): Promise<Results["compare"]> {
  const { spans, length, cancel } = job;
  const kernel = bulkKernel();
  let done = 0;
  let first: number | undefined;
  try {
    const from = openEnd(job.from, kernel);
    const to = openEnd(job.to, kernel);
    await inLanes(spans, kernel, cancel, async (chunk, data) => {
      // What is behind a difference does not matter any more.
      if (first !== undefined && chunk.start > first) return;
      const theirs = new Uint8Array(data.length);
      try {
        await readChunk(from, data, chunk, length);
        await readChunk(to, theirs, { ...chunk, source: chunk.start }, length);
        const at = differenceIn(
          { end: from, data, sector: chunk.source / SECTOR },
          {
            end: to,
            data: theirs,
            sector: chunk.start / SECTOR,
          },
        );
        if (at !== undefined) first = Math.min(first ?? Number.POSITIVE_INFINITY, chunk.start + at);
      } finally {
        theirs.fill(0);
      }
      done += data.length;
      onProgress(done);
    });
    return first === undefined ? {} : { first };
  } finally {
    kernel.wipe();
  }
}

interface Side {
  readonly end: BulkEnd;
  readonly data: Uint8Array;
  readonly sector: number;
}

/** @returns the first byte of the block that differs */
function differenceIn(one: Side, other: Side): number | undefined {
  for (const { end, data, sector } of [one, other]) end.cipher?.decrypt(data, sector);
  for (let at = 0; at < one.data.length; at += BLOCK) {
    const mine = Buffer.from(
      one.data.buffer,
      one.data.byteOffset + at,
      Math.min(BLOCK, one.data.length - at),
    );
    if (mine.compare(other.data, at, at + mine.length) !== 0) return at;
  }
  return undefined;
}
