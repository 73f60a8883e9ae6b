import type { ContentExtent, Extent } from "@luksmith/core";
import { SLOT_BYTES } from "./ceph/window.ts";

/** What of a disk goes through the window at once: parts of `SLOT_BYTES`, in bytes from the disk's beginning. */
export interface Piece {
  readonly start: bigint;
  /** Parts that come from the source. */
  readonly stored: readonly ContentExtent[];
  /** Parts that must read as zero. */
  readonly zeros: readonly Extent[];
}

const SIZE = BigInt(SLOT_BYTES);

/** A disk's content in pieces, in the order of the disk. A piece is an object of the usual size, so that each is written whole. */
export function* piecesOf(
  extents: readonly ContentExtent[],
  zeros: readonly Extent[],
): Generator<Piece, undefined> {
  const pieces = new Map<bigint, { stored: ContentExtent[]; zeros: Extent[] }>();
  const at = (index: bigint): { stored: ContentExtent[]; zeros: Extent[] } => {
    const known = pieces.get(index) ?? { stored: [], zeros: [] };
    pieces.set(index, known);
    return known;
  };
  for (const extent of extents) {
    for (const { index, start, length } of cut(extent)) {
      const source = extent.source === undefined ? {} : { source: extent.source + start - extent.start };
      at(index).stored.push({ start, length, ...source });
    }
  }
  for (const extent of zeros) for (const { index, ...part } of cut(extent)) at(index).zeros.push(part);
  for (const [index, parts] of [...pieces].sort(([a], [b]) => (a < b ? -1 : 1))) {
    yield { start: index * SIZE, ...parts };
  }
}

function* cut({ start, length }: Extent): Generator<Extent & { readonly index: bigint }, undefined> {
  const end = start + length;
  for (let at = start; at < end;) {
    const index = at / SIZE;
    const next = (index + 1n) * SIZE;
    const stop = next < end ? next : end;
    yield { index, start: at, length: stop - at };
    at = stop;
  }
}
