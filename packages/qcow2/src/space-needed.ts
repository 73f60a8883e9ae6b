import type { ImagePlan } from "./plan-image.ts";

/**
 * Bytes of the image file once it holds this much of the guest's data in one piece, tables and refcounts included; for
 * the whole `virtualSize` it is the most that the image can grow to, give or take a table that had to move.
 *
 * @param contentBytes - of the guest's disk
 */
export function spaceNeeded(plan: ImagePlan, contentBytes: bigint): bigint {
  const size = BigInt(plan.geometry.clusterSize);
  if (contentBytes === 0n) return plan.fileLength;
  const data = divideUp(contentBytes, size) + 1n;
  const l2Tables = divideUp(data, BigInt(plan.geometry.l2Entries)) + 1n;
  const counted = BigInt(plan.clusters) + data + l2Tables;
  const blocks = divideUp(counted, BigInt(plan.geometry.refcountsPerBlock) - 1n) + 1n;
  // A refcount table that moved has half as many entries again.
  const table = divideUp(blocks * 12n, size);
  return (counted + blocks + table) * size;
}

function divideUp(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by;
}
