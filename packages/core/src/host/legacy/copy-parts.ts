import type { LuksEngine } from "@luksmith/luks";
import { isDeepStrictEqual } from "node:util";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpenParts, StoredPart } from "../../image/open-parts.ts";

/** Two disks, a piece of which is looked at. */
export interface Pair {
  readonly source: OpenParts;
  readonly target: OpenParts;
  readonly luks: Pick<LuksEngine, "copy" | "firstDifference">;
  readonly signal: AbortSignal;
  /** For messages. */
  readonly label: string;
}

interface Piece {
  readonly start: bigint;
  readonly length: bigint;
}

/** Copies a piece, decrypted and encrypted in memory. It is not durable yet. */
export async function copyPiece(pair: Pair, piece: Piece): Promise<void> {
  const { luks, signal } = pair;
  await eachPart(pair, piece, "fill", async (from, to) => {
    if (from.extents.length === 0) return;
    await luks.copy({ from: from.end, to: to.end, length: from.length, extents: from.extents, signal });
    await to.store();
  });
}

/** @returns the guest's byte from which on a piece is another, or about; undefined: it is the same */
export async function pieceDifference(pair: Pair, piece: Piece): Promise<bigint | undefined> {
  const { luks, signal } = pair;
  let found: bigint | undefined;
  await eachPart(pair, piece, "read", async (from, to, { start, length }) => {
    if (found !== undefined || from.extents.length === 0) return;
    const request = { from: from.end, to: to.end, length: from.length, extents: from.extents, signal };
    const at = await luks.firstDifference(request);
    if (at === undefined) return;
    // Where bytes are elsewhere than in the guest, only the part is known.
    found = at >= start && at < start + length ? at : start;
  });
  return found;
}

async function eachPart(
  { source, target, label }: Pair,
  piece: Piece,
  use: "read" | "fill",
  work: (from: StoredPart, to: StoredPart, part: Piece) => Promise<void>,
): Promise<void> {
  const end = piece.start + piece.length;
  const most = source.mostBytes ?? target.mostBytes ?? piece.length;
  for (let start = piece.start; start < end;) {
    // Up to the next multiple: what is at hand at once may begin at those only.
    const next = (start / most + 1n) * most;
    const length = (next < end ? next : end) - start;
    await using from = await source.part(start, length, "read");
    await using to = await target.part(start, length, use);
    if (from.length !== to.length || !isDeepStrictEqual(from.extents, to.extents)) {
      throw new LuksmithError(
        "DiskNotProven",
        `the copy of ${label} does not store the same parts as it: it was written to meanwhile; take the copy away with --abandon, and begin anew`,
      );
    }
    await work(from, to, { start, length });
    start += length;
  }
}
