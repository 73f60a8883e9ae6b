import { ceilDiv, Fields } from "./fields.ts";
import type { Probe } from "./probe.ts";
import type { Qcow2Header } from "./qcow2-header.ts";
import type { Refusals } from "./refusal.ts";

/** QEMU's own limits (`block/qcow2.h`: `QCOW_MAX_L1_SIZE`, `QCOW_MAX_REFTABLE_SIZE`). */
const MAX_L1_BYTES = 32n * 1024n * 1024n;
const MAX_REFCOUNT_BYTES = 8n * 1024n * 1024n;
const ENTRY_BYTES = 8n;
const SECTOR = 512n;
/** How much of each table is looked at: the L2 tables of 4 TiB at 64 KiB clusters. */
const LOOKED_AT_BYTES = 512 * 1024;
/** Bits 9 to 55 of an entry are a host offset; bit 63 is a flag. */
const OFFSET_BITS = 0x00ff_ffff_ffff_fe00n;
const FLAG_BIT = 1n << 63n;

/** Whether the L1 and the refcount table are sized, placed and filled as a sound writer leaves them. */
export async function checkTables(header: Qcow2Header, probe: Probe, refusals: Refusals): Promise<void> {
  const cluster = 1n << BigInt(header.clusterBits);
  const before = refusals.list.length;
  checkL1(header, cluster, probe.size, refusals);
  checkRefcounts(header, cluster, probe.size, refusals);
  if (refusals.list.length > before) return;
  const l1Bytes = BigInt(header.l1Entries) * ENTRY_BYTES;
  if (await pointsOutside(probe, header.l1Offset, l1Bytes, cluster, OFFSET_BITS | FLAG_BIT)) {
    refusals.add("Qcow2L1Table", "has an L1 table that points outside the file; fetch or export it again");
  }
  const refcountBytes = BigInt(header.refcountClusters) * cluster;
  if (await pointsOutside(probe, header.refcountOffset, refcountBytes, cluster, OFFSET_BITS)) {
    refusals.add("Qcow2RefcountTable", "has a refcount table that points outside the file; fetch it again");
  }
}

function checkL1(header: Qcow2Header, cluster: bigint, size: bigint, refusals: Refusals): void {
  const bytes = BigInt(header.l1Entries) * ENTRY_BYTES;
  const guestBytesPerEntry = cluster * (cluster / ENTRY_BYTES);
  const needed = ceilDiv(header.virtualSize, guestBytesPerEntry);
  const details = { l1Entries: header.l1Entries, l1Offset: String(header.l1Offset) };
  if (header.virtualSize % SECTOR !== 0n) {
    // QEMU would cut the last part of a sector off.
    const what = `claims ${header.virtualSize} bytes, which are not whole sectors`;
    refusals.add("Qcow2VirtualSize", what, { virtualSize: String(header.virtualSize) });
    return;
  }
  if (needed * ENTRY_BYTES > MAX_L1_BYTES) {
    const what = `claims ${header.virtualSize} bytes, more than its clusters of ${cluster} bytes can address`;
    refusals.add("Qcow2VirtualSize", what, { virtualSize: String(header.virtualSize) });
    return;
  }
  if (bytes > MAX_L1_BYTES || BigInt(header.l1Entries) < needed) {
    const what = `has an L1 table of ${header.l1Entries} entries where ${needed} are needed`;
    refusals.add("Qcow2L1Table", what, details);
    return;
  }
  if (header.l1Entries === 0) return;
  if (header.l1Offset === 0n || header.l1Offset % cluster !== 0n) {
    refusals.add("Qcow2L1Table", "has an L1 table that does not start on a cluster of its own", details);
  } else if (header.l1Offset + bytes > size) {
    refusals.addTruncated("L1 table", header.l1Offset + bytes, size);
  }
}

function checkRefcounts(header: Qcow2Header, cluster: bigint, size: bigint, refusals: Refusals): void {
  const bytes = BigInt(header.refcountClusters) * cluster;
  const details = { clusters: header.refcountClusters, offset: String(header.refcountOffset) };
  if (bytes === 0n || bytes > MAX_REFCOUNT_BYTES) {
    refusals.add("Qcow2RefcountTable", `has a refcount table of ${bytes} bytes`, details);
  } else if (header.refcountOffset === 0n || header.refcountOffset % cluster !== 0n) {
    refusals.add("Qcow2RefcountTable", "has a refcount table that does not start on a cluster", details);
  } else if (header.refcountOffset + bytes > size) {
    refusals.addTruncated("refcount table", header.refcountOffset + bytes, size);
  } else if (overlap(header, bytes)) {
    refusals.add("Qcow2RefcountTable", "has a refcount table that overlaps its L1 table", details);
  }
}

function overlap({ l1Offset, l1Entries, refcountOffset }: Qcow2Header, refcountBytes: bigint): boolean {
  const l1End = l1Offset + BigInt(l1Entries) * ENTRY_BYTES;
  return l1Entries > 0 && l1Offset < refcountOffset + refcountBytes && refcountOffset < l1End;
}

async function pointsOutside(
  probe: Probe,
  offset: bigint,
  bytes: bigint,
  cluster: bigint,
  allowed: bigint,
): Promise<boolean> {
  const length = Number(bytes < BigInt(LOOKED_AT_BYTES) ? bytes : BigInt(LOOKED_AT_BYTES));
  const table = new Fields(await probe.read(offset, length), "big-endian");
  for (let at = 0; at + 8 <= table.bytes.length; at += 8) {
    const entry = table.u64(at);
    const target = entry & OFFSET_BITS;
    if ((entry & ~allowed) !== 0n || target % cluster !== 0n || target >= probe.size) return true;
  }
  return false;
}
