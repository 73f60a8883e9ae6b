/** Blocks that a sparse copy leaves out: a page, and the usual block of a file system. */
const BLOCK = 4096;
const ZEROS = Buffer.alloc(BLOCK);

/** Whether there is nothing but zeros in `data`. */
export function isZero(data: Uint8Array): boolean {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  for (let start = 0; start < bytes.length; start += BLOCK) {
    const end = Math.min(start + BLOCK, bytes.length);
    if (bytes.compare(ZEROS, 0, end - start, start, end) !== 0) return false;
  }
  return true;
}

/** The parts of `data` that are not blocks of zeros, as offsets into it, neighbours joined. */
export function nonZeroRuns(data: Uint8Array): { start: number; end: number }[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const runs: { start: number; end: number }[] = [];
  for (let start = 0; start < bytes.length; start += BLOCK) {
    const end = Math.min(start + BLOCK, bytes.length);
    if (bytes.compare(ZEROS, 0, end - start, start, end) === 0) continue;
    const previous = runs.at(-1);
    if (previous?.end === start) previous.end = end;
    else runs.push({ start, end });
  }
  return runs;
}
