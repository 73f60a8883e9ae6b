import { ceilDiv, Fields, hasBytes, isPowerOfTwo, isZero } from "./fields.ts";
import type { Probe } from "./probe.ts";
import type { Refusals } from "./refusal.ts";
import { type VhdFooter, vhdChecksum, vhdVirtualSize } from "./vhd-footer.ts";

const HEADER_BYTES = 1024;
const CHECKSUM_AT = 36;
const PARENT_ID_AT = 40;
const VERSION = 0x0001_0000;
const SECTOR = 512n;
const MAX_BLOCK_BYTES = 256 * 1024 * 1024;
const UNUSED = 0xffff_ffff;
/** Table entries looked at: 256 GiB at blocks of 2 MiB. */
const LOOKED_AT_BYTES = 512 * 1024;

/**
 * Checks the header and the block allocation table of a dynamic disk.
 * Format: Microsoft "Virtual Hard Disk Image Format Specification" 1.0, "Dynamic Disk Header Format".
 * @returns the block size, if it can be trusted
 */
export async function checkDynamic(
  footer: VhdFooter,
  probe: Probe,
  refusals: Refusals,
): Promise<number | undefined> {
  const bytes = await probe.read(footer.dataOffset, HEADER_BYTES);
  if (bytes.length < HEADER_BYTES) {
    refusals.addTruncated("dynamic header", footer.dataOffset + BigInt(HEADER_BYTES), probe.size);
    return undefined;
  }
  const fields = new Fields(bytes, "big-endian");
  const blockSize = fields.u32(32);
  if (!hasBytes(bytes, 0, "cxsparse") || fields.u32(24) !== VERSION) {
    refusals.add("VhdDynamicHeader", "has no valid dynamic header");
    return undefined;
  }
  if (fields.u32(CHECKSUM_AT) !== vhdChecksum(bytes, CHECKSUM_AT)) {
    refusals.add("VhdChecksum", "has a dynamic header with a wrong checksum; fetch it again");
  }
  if (!isZero(bytes.subarray(PARENT_ID_AT, PARENT_ID_AT + 16))) {
    refusals.add("VhdDifferencing", "names a parent disk; merge it into its parent first");
  }
  if (!isPowerOfTwo(blockSize) || blockSize < Number(SECTOR) || blockSize > MAX_BLOCK_BYTES) {
    refusals.add("VhdDynamicHeader", `has blocks of ${blockSize} bytes`, { blockSize });
    return undefined;
  }
  const table = { offset: fields.u64(16), entries: fields.u32(28), blockSize };
  await checkTable(table, vhdVirtualSize(footer), probe, refusals);
  return blockSize;
}

async function checkTable(
  { offset, entries, blockSize }: { offset: bigint; entries: number; blockSize: number },
  virtualSize: bigint,
  probe: Probe,
  refusals: Refusals,
): Promise<void> {
  const end = offset + BigInt(entries) * 4n;
  if (BigInt(entries) * BigInt(blockSize) < virtualSize) {
    refusals.add("VhdBlockTable", `has a block table of ${entries} entries, too few for its size`, {
      entries,
    });
    return;
  }
  if (end > probe.size) {
    refusals.addTruncated("block table", end, probe.size);
    return;
  }
  const used = ceilDiv(virtualSize, BigInt(blockSize)) * 4n;
  const length = used < BigInt(LOOKED_AT_BYTES) ? Number(used) : LOOKED_AT_BYTES;
  const table = new Fields(await probe.read(offset, length), "big-endian");
  for (let at = 0; at + 4 <= table.bytes.length; at += 4) {
    const entry = table.u32(at);
    if (entry === UNUSED || BigInt(entry) * SECTOR + BigInt(blockSize) <= probe.size) continue;
    refusals.addTruncated("data", BigInt(entry) * SECTOR + BigInt(blockSize), probe.size);
    return;
  }
}
