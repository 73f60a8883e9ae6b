import type { Geometry } from "./geometry.ts";
import { SECTOR } from "./layout.ts";
import { Qcow2Error } from "./qcow2-error.ts";

/** Part of a guest disk, in bytes from its beginning. */
export interface GuestPart {
  start: number;
  length: number;
}

/** Bytes of the guest disk that are looked at and copied at a time. */
const WINDOW = 64 * 1024 * 1024;

/** Clusters of the guest disk that follow each other, and which of their bytes there is content for. */
export interface Window {
  first: number;
  count: number;
  parts: GuestPart[];
}

const refuse = (reason: string, message: string): Qcow2Error =>
  new Qcow2Error("Qcow2RequestInvalid", reason, message);

/**
 * Sorts and joins the parts of a guest disk that there is content for.
 *
 * @param whole - the parts must be whole clusters, the last of the disk excepted
 * @throws Qcow2Error `Qcow2RequestInvalid` for parts of sectors, or outside the disk
 */
export function contentParts(
  extents: readonly { start: bigint; length: bigint }[],
  virtualSize: bigint,
  { clusterSize }: Geometry,
  whole: boolean,
): GuestPart[] {
  const parts: GuestPart[] = [];
  for (const extent of extents.toSorted((a, b) => (a.start < b.start ? -1 : 1))) {
    const end = extent.start + extent.length;
    if (extent.start < 0n || extent.length < 0n || end > virtualSize || end > 2n ** 52n) {
      throw refuse("extent", `the extent of ${extent.length} bytes at ${extent.start} is outside the disk`);
    }
    if (extent.start % BigInt(SECTOR) !== 0n || extent.length % BigInt(SECTOR) !== 0n) {
      throw refuse("extent", `the extent of ${extent.length} bytes at ${extent.start} ends within a sector`);
    }
    if (extent.length === 0n) continue;
    const start = Number(extent.start);
    const previous = parts.at(-1);
    if (previous !== undefined && start <= previous.start + previous.length) {
      previous.length = Math.max(previous.length, Number(end) - previous.start);
    } else {
      parts.push({ start, length: Number(end) - start });
    }
  }
  const split = parts.some(({ start, length }) => {
    const end = start + length;
    return start % clusterSize !== 0 || (end % clusterSize !== 0 && BigInt(end) !== virtualSize);
  });
  if (whole && split) {
    throw refuse("partial-cluster", "an overlay is only written in whole clusters: the rest would be lost");
  }
  return parts;
}

/** Cuts the parts into windows; every cluster is in one of them only. */
export function* windowsOf(parts: readonly GuestPart[], clusterSize: number): Generator<Window, undefined> {
  const most = Math.max(1, WINDOW / clusterSize);
  let window: Window | undefined;
  for (const { start, length } of parts) {
    for (let at = start; at < start + length;) {
      const cluster = Math.floor(at / clusterSize);
      if (window === undefined || cluster >= window.first + most) {
        if (window !== undefined) yield window;
        window = { first: cluster, count: 0, parts: [] };
      }
      const end = Math.min(start + length, (window.first + most) * clusterSize);
      window.parts.push({ start: at, length: end - at });
      window.count = Math.ceil(end / clusterSize) - window.first;
      at = end;
    }
  }
  if (window !== undefined) yield window;
}
