import type { VolumeKey } from "../keys/volume-key.ts";
import { LuksError } from "../luks-error.ts";

/** One side of a copy. */
export interface CopyEnd {
  /** An open file or block device, for reading or writing; it stays open until the copy has settled. */
  fd: number;
  /**
   * Bytes in `fd` where sector 0 of the data is: 0 for a plain image, the payload offset for a container. Negative where the
   * file holds but a later part of the data, and only that is copied.
   */
  offset: bigint;
  /** Absent: the data is plain. Copied at once, so it may be disposed as soon as `copy` has been called. */
  volumeKey?: VolumeKey;
}

/** A part of the data, in bytes from its start on both sides. */
export interface CopyExtent {
  start: bigint;
  length: bigint;
  /**
   * Where the part starts in the source when that is somewhere else than in the target, in bytes from `from.offset`.
   * Each side's sectors are numbered by its own place. With an encrypted end both are the same modulo 512.
   */
  source?: bigint;
}

/** Bulk data to move: encrypted, decrypted, re-encrypted or as it is, by which ends have a volume key. */
export interface CopyRequest {
  /** `"zero"` writes zeros. */
  from: CopyEnd | "zero";
  to: CopyEnd;
  /**
   * Bytes of the whole data. Where it is not a multiple of 512, an encrypted target gets its last sector padded with
   * zeros; a plain source may end anywhere in that sector, but not earlier.
   */
  length: bigint;
  /** Which parts to copy, default everything; widened to whole sectors when either end is encrypted. */
  extents?: readonly CopyExtent[];
  /** Leaves blocks of 4096 zero bytes unwritten. Only for a plain target that reads as zero already. */
  sparse?: boolean;
  /** Stops the copy after the chunks in hand; the promise then rejects with `signal.reason`. */
  signal?: AbortSignal;
  /** Bytes done so far and in all, some ten times a second and at the end. It must not throw. */
  onProgress?(done: bigint, total: bigint): void;
}

/** Data to look through for what is not zero. */
export interface FindDataRequest {
  /** The same as a copy's. */
  from: CopyEnd;
  /** Bytes of the whole data, as a copy's. */
  length: bigint;
  /** Which parts to look at, default everything. */
  extents?: readonly CopyExtent[];
  /** Bytes that are told apart: a multiple of 512. Units are counted from the start of the data. */
  unit: number;
  /** As a copy's. */
  signal?: AbortSignal;
}

/** Data to compare on two ends, at the same place of both. */
export interface CompareRequest {
  from: CopyEnd;
  to: CopyEnd;
  /** Bytes of the whole data, as a copy's. */
  length: bigint;
  /** Which parts to compare, default everything. */
  extents?: readonly CopyExtent[];
  /** As a copy's. */
  signal?: AbortSignal;
  /** As a copy's. */
  onProgress?(done: bigint, total: bigint): void;
}

/** A part of the data in numbers: offsets of files stay below 2^53. */
export interface Span {
  start: number;
  length: number;
  /** Where it starts in the source. */
  source: number;
}

const SECTOR = 512n;
const refuse = (message: string): LuksError => new LuksError("LuksRequestInvalid", message);

/**
 * Checks a request and returns the parts to copy: sorted, merged, and of whole sectors if an end is encrypted. Merging
 * matters: a sector that two extents share must not be re-encrypted twice in place.
 *
 * @throws LuksError `LuksRequestInvalid`
 */
export function copySpans(request: CopyRequest): Span[] {
  const { from, to, length, sparse = false, extents = [{ start: 0n, length }] } = request;
  const ends = from === "zero" ? [to] : [from, to];
  const furthest = ends.map(({ offset }) => offset + length);
  if (length < 0n) throw refuse("a copy has no negative length");
  if (furthest.some((end) => end + SECTOR > BigInt(Number.MAX_SAFE_INTEGER))) {
    throw refuse("a copy ends before byte 2^53");
  }
  if (sparse && to.volumeKey !== undefined)
    throw refuse("an encrypted target has no holes: sparse is for plain ones");
  const whole = ends.some(({ volumeKey }) => volumeKey !== undefined);
  const spans: Span[] = [];
  for (const extent of extents.toSorted((a, b) => (a.start < b.start ? -1 : 1))) {
    if (extent.start < 0n || extent.length < 0n || extent.start + extent.length > length) {
      throw refuse(`the extent of ${extent.length} bytes at ${extent.start} is outside the data`);
    }
    if (extent.length === 0n) continue;
    const shift = shiftOf(extent, request, whole);
    const start = Number(whole ? (extent.start / SECTOR) * SECTOR : extent.start);
    const places = [Number(request.to.offset) + start];
    if (from !== "zero") places.push(Number(from.offset) + start + shift);
    if (places.some((place) => place < 0)) throw refuse(`the extent at ${start} is before its file begins`);
    const last = extent.start + extent.length;
    const end = Number(whole ? ((last + SECTOR - 1n) / SECTOR) * SECTOR : last);
    const previous = spans.at(-1);
    const reached = previous === undefined ? -1 : previous.start + previous.length;
    if (previous !== undefined && start <= reached && previous.source - previous.start === shift) {
      previous.length = Math.max(previous.length, end - previous.start);
    } else if (start < reached) {
      throw refuse(`the extent at ${extent.start} would overwrite one that comes from elsewhere`);
    } else {
      spans.push({ start, length: end - start, source: start + shift });
    }
  }
  return spans;
}

/** Bytes from a part's place in the target to its place in the source. */
function shiftOf(
  { start, length, source = start }: CopyExtent,
  { from }: CopyRequest,
  whole: boolean,
): number {
  if (from === "zero") return 0;
  const end = from.offset + source + length + SECTOR;
  if (source < 0n || end > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw refuse(`the extent at ${start} cannot come from byte ${source}`);
  }
  if (whole && (source - start) % SECTOR !== 0n) {
    throw refuse(`the extent at ${start} and its source at ${source} are different parts of a sector`);
  }
  return Number(source - start);
}
