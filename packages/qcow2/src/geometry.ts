import { ENTRY, LEAST_CLUSTER_BITS, MOST_CLUSTER_BITS, MOST_L1_BYTES, SECTOR } from "./layout.ts";
import { Qcow2Error } from "./qcow2-error.ts";

/** Sizes that follow from the cluster size, in bytes or entries. */
export interface Geometry {
  clusterBits: number;
  clusterSize: number;
  /** Entries of an L2 table, which fills one cluster. */
  l2Entries: number;
  /** Entries of a block of 16-bit refcounts, which fills one cluster. */
  refcountsPerBlock: number;
}

export function geometryOf(clusterBits: number): Geometry {
  const clusterSize = 2 ** clusterBits;
  return { clusterBits, clusterSize, l2Entries: clusterSize / ENTRY, refcountsPerBlock: clusterSize / 2 };
}

/** Entries of an L1 table that covers `virtualSize` bytes. */
export function l1EntriesFor(virtualSize: bigint, { clusterSize, l2Entries }: Geometry): number {
  const covered = BigInt(clusterSize) * BigInt(l2Entries);
  return Number((virtualSize + covered - 1n) / covered);
}

/** Clusters that hold this many bytes. */
export function clustersFor(bytes: number, { clusterSize }: Geometry): number {
  return Math.ceil(bytes / clusterSize);
}

const refuse = (reason: string, message: string, details: Record<string, unknown>): Qcow2Error =>
  new Qcow2Error("Qcow2RequestInvalid", reason, message, details);

/** @throws Qcow2Error `Qcow2RequestInvalid` unless QEMU would open an image with this cluster size */
export function requireClusterBits(clusterBits: number): void {
  if (Number.isInteger(clusterBits) && clusterBits >= LEAST_CLUSTER_BITS && clusterBits <= MOST_CLUSTER_BITS)
    return;
  throw refuse("cluster-size", `a cluster has 2^9 to 2^21 bytes, not 2^${clusterBits}`, { clusterBits });
}

/**
 * @param virtualSize - bytes that the guest sees
 * @throws Qcow2Error `Qcow2RequestInvalid` for a size that QEMU would refuse with this cluster size, or round
 */
export function requireVirtualSize(virtualSize: bigint, geometry: Geometry): void {
  const details = { virtualSize: String(virtualSize), clusterSize: geometry.clusterSize };
  if (virtualSize <= 0n || virtualSize % BigInt(SECTOR) !== 0n) {
    throw refuse("virtual-size", `a disk has a positive multiple of 512 bytes, not ${virtualSize}`, details);
  }
  if (virtualSize >= 2n ** 63n || l1EntriesFor(virtualSize, geometry) * ENTRY > MOST_L1_BYTES) {
    throw refuse(
      "virtual-size-limit",
      `${virtualSize} bytes are too many for clusters of ${geometry.clusterSize}; use larger clusters`,
      details,
    );
  }
}
