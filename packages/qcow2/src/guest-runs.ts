import { ENTRY, SECTOR } from "./layout.ts";
import type { Qcow2File } from "./qcow2-file.ts";
import { Qcow2Error } from "./qcow2-error.ts";
import type { ClusterEntry } from "./table-entry.ts";

/** Part of a guest disk, in bytes from its beginning, and where it is read from. */
export type GuestRun = { start: bigint; length: bigint } & (
  | {
      kind: "data";
      /** Byte of the image file; also what the sectors are numbered by for the cipher, divided by 512. */
      hostOffset: bigint;
    }
  /** `unallocated` reads from the backing file, or as zero where there is none. */
  | { kind: "zero" | "unallocated" | "compressed" }
);

/** Clusters that follow each other, in numbers. */
interface Clusters extends ClusterEntry {
  first: number;
  count: number;
}

/**
 * What each part of a guest disk is, from front to back, neighbours joined where the guest's and the file's bytes both
 * go on. Reads the tables page by page as far as the caller goes.
 *
 * @param range - bytes of the guest disk, default all of it
 * @throws Qcow2Error `Qcow2TableInvalid`, `Qcow2HeaderHostile`
 */
export async function* guestRuns(
  image: Qcow2File,
  range: { start: bigint; length: bigint } = { start: 0n, length: image.virtualSize },
): AsyncGenerator<GuestRun, void> {
  const size = BigInt(image.geometry.clusterSize);
  const end = range.start + range.length;
  if (range.start < 0n || range.length < 0n || end > image.virtualSize) {
    throw new Qcow2Error("Qcow2RequestInvalid", "range", "this part of the disk is outside of it");
  }
  if (range.length === 0n) return;
  for await (const run of clusterRuns(image, Number(range.start / size), Number((end + size - 1n) / size))) {
    const [from, to] = [BigInt(run.first) * size, BigInt(run.first + run.count) * size];
    const start = from > range.start ? from : range.start;
    const length = (to < end ? to : end) - start;
    if (run.kind !== "data") yield { kind: run.kind, start, length };
    else yield* inFile(image, { start, length, hostOffset: BigInt(run.offset) + (start - from) });
  }
}

/** Plain data beyond the file's end reads as zero. Encrypted data has no such end: there it is damage. */
function* inFile(
  image: Qcow2File,
  { start, length, hostOffset }: { start: bigint; length: bigint; hostOffset: bigint },
): Generator<GuestRun, void> {
  const there = BigInt(Math.ceil(image.fileSize / SECTOR) * SECTOR) - hostOffset;
  if (there >= length || image.header.encryption !== "none") {
    yield { kind: "data", start, length, hostOffset };
    return;
  }
  if (there > 0n) yield { kind: "data", start, length: there, hostOffset };
  const skipped = there > 0n ? there : 0n;
  yield { kind: "zero", start: start + skipped, length: length - skipped };
}

async function* clusterRuns(image: Qcow2File, first: number, last: number): AsyncGenerator<Clusters, void> {
  const { clusterSize } = image.geometry;
  let open: Clusters | undefined;
  for await (const next of clusterEntries(image, first, last)) {
    const follows =
      open?.kind === next.kind &&
      (next.kind !== "data" || open.offset + open.count * clusterSize === next.offset);
    if (open !== undefined && follows) {
      open.count += next.count;
      continue;
    }
    if (open !== undefined) yield open;
    open = next;
  }
  if (open !== undefined) yield open;
}

/** The entries from cluster `first` to before `last`, joined within a page of their table. */
async function* clusterEntries(
  image: Qcow2File,
  first: number,
  last: number,
): AsyncGenerator<Clusters, void> {
  const { clusterSize, l2Entries } = image.geometry;
  const mostTables = Math.ceil(image.fileSize / clusterSize);
  let tables = 0;
  for (let cluster = first; cluster < last;) {
    const index = cluster % l2Entries;
    const l1 = await image.l2Table(
      Math.floor(cluster / l2Entries),
      Math.ceil((last - cluster + index) / l2Entries),
    );
    const { table } = l1;
    const count = Math.min(l1.count * l2Entries - index, last - cluster);
    if (table === 0) {
      yield { kind: "unallocated", offset: 0, first: cluster, count };
    } else {
      if (++tables > mostTables) {
        throw new Qcow2Error("Qcow2HeaderHostile", "l2-tables", "more L2 tables than the file has clusters");
      }
      yield* tableEntries(image, table, { first: cluster, index, count });
    }
    cluster += count;
  }
}

async function* tableEntries(
  image: Qcow2File,
  table: number,
  { first, index, count }: { first: number; index: number; count: number },
): AsyncGenerator<Clusters, void> {
  const { clusterSize } = image.geometry;
  for (let done = 0; done < count;) {
    const { view, at } = await image.pages.at(table + (index + done) * ENTRY);
    const here = Math.min((view.byteLength - at) / ENTRY, count - done);
    let open: Clusters | undefined;
    for (let i = 0; i < here; i++) {
      const { kind, offset } = image.entries.l2(view, at + i * ENTRY);
      const goesOn =
        open?.kind === kind && (kind !== "data" || open.offset + open.count * clusterSize === offset);
      if (open !== undefined && goesOn) {
        open.count++;
      } else {
        if (open !== undefined) yield open;
        open = { kind, offset, first: first + done + i, count: 1 };
      }
    }
    if (open !== undefined) yield open;
    done += here;
  }
}
