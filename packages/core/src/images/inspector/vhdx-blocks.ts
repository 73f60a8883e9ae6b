import { ceilDiv, Fields } from "./fields.ts";
import type { Probe } from "./probe.ts";
import type { Refusals } from "./refusal.ts";
import { MIB } from "./vhdx-header.ts";
import type { VhdxMetadata } from "./vhdx-metadata.ts";
import type { VhdxRegion } from "./vhdx-regions.ts";

const ENTRY_BYTES = 8n;
/** Sectors that one block of sector bitmaps covers. */
const SECTORS_PER_BITMAP = 1n << 23n;
const STATE_BITS = 7n;
const FULLY_PRESENT = 6n;
const PARTIALLY_PRESENT = 7n;
const OFFSET_SHIFT = 20n;
const LOOKED_AT_BYTES = 512 * 1024;

/**
 * Whether the block allocation table has room for the disk, and what it points at is in the file.
 * Format: Microsoft [MS-VHDX] 2.5, "BAT"; QEMU `block/vhdx.c`, `vhdx_calc_bat_entries`.
 */
export async function checkBlockTable(
  { blockSize, virtualSize, logicalSector }: VhdxMetadata,
  region: VhdxRegion,
  probe: Probe,
  refusals: Refusals,
): Promise<void> {
  const block = BigInt(blockSize);
  const perBitmap = (SECTORS_PER_BITMAP * BigInt(logicalSector)) / block;
  const blocks = ceilDiv(virtualSize, block);
  const entries = blocks + (blocks - 1n) / perBitmap;
  if (entries * ENTRY_BYTES > region.bytes) {
    const what = `has a block table of ${region.bytes} bytes, too small for ${virtualSize} bytes`;
    refusals.add("VhdxBlockTable", what);
    return;
  }
  const used = entries * ENTRY_BYTES;
  const length = used < BigInt(LOOKED_AT_BYTES) ? Number(used) : LOOKED_AT_BYTES;
  const table = new Fields(await probe.read(region.offset, length), "little-endian");
  for (let at = 0; at + 8 <= table.bytes.length; at += 8) {
    const entry = table.u64(at);
    const state = entry & STATE_BITS;
    if (state === PARTIALLY_PRESENT) {
      refusals.add("VhdxBlockTable", "has blocks that only a parent disk completes");
      return;
    }
    const offset = (entry >> OFFSET_SHIFT) * MIB;
    if (state === FULLY_PRESENT && offset + MIB > probe.size) {
      refusals.addTruncated("data", offset + MIB, probe.size);
      return;
    }
  }
}
