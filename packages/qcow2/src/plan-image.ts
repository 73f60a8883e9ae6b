import {
  clustersFor,
  type Geometry,
  geometryOf,
  l1EntriesFor,
  requireClusterBits,
  requireVirtualSize,
} from "./geometry.ts";
import type { Backing, HostRange, Qcow2Header } from "./header.ts";
import { ENTRY, HEADER_WRITTEN, LUKS_AREA_BYTES, REFCOUNT_ORDER } from "./layout.ts";
import { Qcow2Error } from "./qcow2-error.ts";
import { serializeHeader } from "./serialize-header.ts";

export interface PlanRequest {
  /** Bytes that the guest sees: a multiple of 512. */
  virtualSize: bigint;
  /** 9 to 21, default 16: clusters of 64 KiB. */
  clusterBits?: number;
  /** Makes it an overlay. The format is never left to be probed. */
  backing?: Required<Backing>;
  /** Makes it encrypted. `bytes`: of the LUKS area, the container's payload offset; default 4040 sectors as QEMU's. */
  luks?: { bytes?: number };
}

/** Where everything of a new, empty image goes: these clusters, in this order, are all that is in use. */
export interface ImagePlan {
  header: Qcow2Header;
  geometry: Geometry;
  /** Blocks of refcounts that follow the refcount table. */
  refcountBlocks: HostRange;
  /** Clusters in use, from the first on without a gap. */
  clusters: number;
  /** Bytes of the file. */
  fileLength: bigint;
  /** The bytes at the start of the file. */
  headerBytes: Uint8Array;
}

/**
 * Lays out a new image of version 3 with 16-bit refcounts: header, refcount table, refcount blocks, L1 table, LUKS area.
 *
 * @throws Qcow2Error `Qcow2RequestInvalid` for what QEMU would not open
 */
export function planImage({ virtualSize, clusterBits = 16, backing, luks }: PlanRequest): ImagePlan {
  requireClusterBits(clusterBits);
  const geometry = geometryOf(clusterBits);
  requireVirtualSize(virtualSize, geometry);
  const { clusterSize } = geometry;
  const luksBytes = luks === undefined ? 0 : checkLuksBytes(luks.bytes ?? LUKS_AREA_BYTES);
  const l1Entries = l1EntriesFor(virtualSize, geometry);
  const l1Clusters = clustersFor(l1Entries * ENTRY, geometry);
  const luksClusters = clustersFor(luksBytes, geometry);
  const counted = countRefcounts(1 + l1Clusters + luksClusters, geometry);

  const blocksAt = (1 + counted.table) * clusterSize;
  const l1At = blocksAt + counted.blocks * clusterSize;
  const header: Qcow2Header = {
    version: 3,
    clusterBits,
    virtualSize,
    encryption: luks === undefined ? "none" : "luks",
    ...(luks === undefined ? {} : { luks: { offset: l1At + l1Clusters * clusterSize, length: luksBytes } }),
    ...(backing === undefined ? {} : { backing }),
    l1: { offset: l1At, entries: l1Entries },
    refcountTable: { offset: clusterSize, clusters: counted.table },
    refcountOrder: REFCOUNT_ORDER,
    snapshots: 0,
    incompatible: 0n,
    compatible: 0n,
    autoclear: 0n,
    headerLength: HEADER_WRITTEN,
    extensions: [],
  };
  return {
    header,
    geometry,
    refcountBlocks: { offset: blocksAt, length: counted.blocks * clusterSize },
    clusters: counted.clusters,
    fileLength: BigInt(counted.clusters) * BigInt(clusterSize),
    headerBytes: serializeHeader(header),
  };
}

/** Blocks and table clusters that count `others` clusters and themselves. */
function countRefcounts(
  others: number,
  geometry: Geometry,
): { table: number; blocks: number; clusters: number } {
  let [table, blocks] = [1, 1];
  for (;;) {
    const clusters = others + table + blocks;
    const neededBlocks = Math.ceil(clusters / geometry.refcountsPerBlock);
    const neededTable = clustersFor(neededBlocks * ENTRY, geometry);
    if (neededBlocks <= blocks && neededTable <= table) return { table, blocks, clusters };
    [table, blocks] = [Math.max(table, neededTable), Math.max(blocks, neededBlocks)];
  }
}

/** Eight key slots of the smallest key need some 1 MiB; above 64 MiB nobody meant it. */
function checkLuksBytes(bytes: number): number {
  const possible = Number.isInteger(bytes) && bytes >= LUKS_AREA_BYTES && bytes <= 64 * 1024 * 1024;
  if (possible && bytes % 512 === 0) return bytes;
  throw new Qcow2Error(
    "Qcow2RequestInvalid",
    "luks-length",
    `a LUKS area has whole sectors, at least ${LUKS_AREA_BYTES} bytes, not ${bytes}`,
    { bytes },
  );
}
