import type { CopyExtent } from "@luksmith/luks";
import type { ClusterAllocator } from "./cluster-allocator.ts";
import type { Window } from "./content-parts.ts";
import type { L2Writer } from "./l2-writer.ts";
import type { Qcow2File } from "./qcow2-file.ts";

/** What to copy into an image's file: places in it, and for `data` where in the source it comes from. */
export interface Placement {
  data: CopyExtent[];
  /** Parts of new clusters that there is no content for; they must read as zero. */
  gaps: CopyExtent[];
}

/**
 * Gives the clusters of a window that hold data their places, in order, and enters them in the L2 tables. Other
 * clusters that content was given for hide the backing file's, if there is one.
 *
 * @param found - a byte for each cluster of the window, 0: nothing but zeros
 */
export async function placeWindow(
  { first, count, parts }: Window,
  found: Uint8Array,
  { image, allocator, l2 }: { image: Qcow2File; allocator: ClusterAllocator; l2: L2Writer },
): Promise<Placement> {
  const { clusterSize } = image.geometry;
  const overlay = image.backing !== undefined;
  const placement: Placement = { data: [], gaps: [] };
  let part = 0;
  for (let i = 0; i < count; i++) {
    const [start, end] = [(first + i) * clusterSize, (first + i + 1) * clusterSize];
    while (part < parts.length && endOfPart(parts[part]) <= start) part++;
    if ((parts[part]?.start ?? Infinity) >= end) continue;
    if (found[i] === 0) {
      if (overlay) await l2.set(first + i, "zero");
      continue;
    }
    await l2.prepare(first + i);
    const host = allocator.take(1);
    await l2.set(first + i, host);

    let reached = start;
    for (let at = part; at < parts.length; at++) {
      const from = Math.max(start, parts[at]?.start ?? end);
      if (from >= end) break;
      const to = Math.min(end, endOfPart(parts[at]));
      if (from > reached) append(placement.gaps, host + (reached - start), from - reached);
      append(placement.data, host + (from - start), to - from, from);
      reached = to;
    }
    if (reached < end) append(placement.gaps, host + (reached - start), end - reached);
  }
  return placement;
}

function endOfPart(part: { start: number; length: number } | undefined): number {
  return part === undefined ? Infinity : part.start + part.length;
}

/** Adds a part, joined to the last where both sides go on. */
function append(extents: CopyExtent[], at: number, bytes: number, from?: number): void {
  const [start, length] = [BigInt(at), BigInt(bytes)];
  const source = from === undefined ? undefined : BigInt(from);
  const last = extents.at(-1);
  const follows =
    last !== undefined &&
    last.start + last.length === start &&
    (source === undefined || (last.source ?? last.start) + last.length === source);
  if (follows) last.length += length;
  else extents.push({ start, length, ...(source === undefined ? {} : { source }) });
}
