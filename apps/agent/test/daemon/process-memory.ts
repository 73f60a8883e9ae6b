import { closeSync, openSync, readFileSync, readSync } from "node:fs";

const PAGE = 4096;
/** Pages that are looked at together. */
const MOST_PAGES = 16_384;

/**
 * How often each of these byte strings is in the memory of a process: all that a core file has, which is every mapping but those
 * that are a file's, read only. The process is not stopped.
 */
export function countInMemory(pid: number, needles: readonly Buffer[]): readonly number[] {
  const counts = needles.map(() => 0);
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const pagemap = openSync(`/proc/${pid}/pagemap`, "r");
  try {
    for (const [from, to] of mappings(pid)) {
      for (const [start, pages] of usedRuns(pagemap, from, to)) {
        // One page more: what begins here may end there.
        const part = readAt(memory, BigInt(start) * BigInt(PAGE), (pages + 1) * PAGE);
        needles.forEach((needle, index) => {
          let found = part.indexOf(needle);
          for (; found >= 0 && found < pages * PAGE; found = part.indexOf(needle, found + 1)) {
            counts[index] = (counts[index] ?? 0) + 1;
          }
        });
      }
    }
  } finally {
    closeSync(memory);
    closeSync(pagemap);
  }
  return counts;
}

/** First and last page, the latter not included. */
function mappings(pid: number): readonly (readonly [number, number])[] {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return lines.flatMap((line) => {
    const [, from, to, write, inode] = /^([0-9a-f]+)-([0-9a-f]+) r(.)\S+ \S+ \S+ (\d+)/.exec(line) ?? [];
    const ofFile = write !== "w" && inode !== "0";
    // The kernel's own are without pages of the process.
    if (!from || !to || ofFile || /\[v(?:var|syscall|dso)/.test(line)) return [];
    return [[Number.parseInt(from, 16) / PAGE, Number.parseInt(to, 16) / PAGE] as const];
  });
}

/** Runs of pages that there are, in memory or in swap; V8 reserves half a gigabyte of which it uses little. */
function* usedRuns(pagemap: number, from: number, to: number): Generator<readonly [number, number]> {
  const entries = Buffer.alloc((to - from) * 8);
  readSync(pagemap, entries, 0, entries.length, from * 8);
  for (let page = from; page < to;) {
    const isUsed = (at: number): boolean => ((entries[(at - from) * 8 + 7] ?? 0) & 0xc0) !== 0;
    let end = page;
    while (end < to && end - page < MOST_PAGES && isUsed(end)) end++;
    if (end > page) yield [page, end - page];
    page = Math.max(end, page + 1);
  }
}

/** Fewer bytes where there are no more. */
function readAt(memory: number, at: bigint, length: number): Buffer {
  const part = Buffer.alloc(length);
  let filled = 0;
  try {
    while (filled < length) {
      // Asserted: node takes a bigint here, its types do not say so.
      const read = readSync(
        memory,
        part,
        filled,
        length - filled,
        (at + BigInt(filled)) as unknown as number,
      );
      if (read === 0) break;
      filled += read;
    }
  } catch {
    // The mapping ends here, or went away.
  }
  return part.subarray(0, filled);
}

/** The forms in which a passphrase might lie about: as bytes, as a string of two bytes a character, as base64. */
export function formsOf(passphrase: string): readonly Buffer[] {
  return [
    Buffer.from(passphrase, "latin1"),
    Buffer.from(passphrase, "utf16le"),
    // Without its end, which depends on what followed.
    Buffer.from(Buffer.from(passphrase).toString("base64").slice(0, 112), "latin1"),
  ];
}
