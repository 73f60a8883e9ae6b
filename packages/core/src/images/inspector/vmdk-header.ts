import { ceilDiv, Fields, hasBytes, isPowerOfTwo } from "./fields.ts";
import type { Refusals } from "./refusal.ts";

export const SECTOR = 512n;
export const HEADER_BYTES = 512;
/** A grain directory offset that says: look into the footer. */
export const DIRECTORY_AT_END = 0xffff_ffff_ffff_ffffn;

const NEWLINE_TEST = 1;
const REDUNDANT_DIRECTORY = 1 << 1;
const COMPRESSED = 1 << 16;
const DEFLATE = 1;
/** VMware's specification fixes it. */
const ENTRIES_PER_TABLE = 512;
const MIN_GRAIN = 8;
/** 64 MiB; QEMU would take 1 GiB. VMware and QEMU write 64 KiB. */
const MAX_GRAIN = 0x2_0000;
/** QEMU's limit for entries of the grain directory. */
const MAX_DIRECTORY = 32n * 1024n * 1024n;

/** The header of a sparse extent, or the footer of a stream-optimized one; sizes and places in sectors. */
export interface VmdkHeader {
  readonly version: number;
  readonly flags: number;
  readonly capacity: bigint;
  readonly grain: bigint;
  readonly descriptorOffset: bigint;
  readonly descriptorSectors: bigint;
  readonly entriesPerTable: number;
  readonly redundantOffset: bigint;
  readonly directoryOffset: bigint;
  readonly overhead: bigint;
  readonly compressed: boolean;
  /** Stands as four bytes that file transfers in text mode would damage. */
  readonly newlinesIntact: boolean;
}

/**
 * Reads a `SparseExtentHeader`.
 * Format: VMware "Virtual Disk Format 5.0", "Hosted Sparse Extent Header"; QEMU `block/vmdk.c`, `VMDK4Header`.
 * @param bytes 512 of them
 */
export function readVmdkHeader(bytes: Uint8Array): VmdkHeader {
  const fields = new Fields(bytes, "little-endian");
  const flags = fields.u32(8);
  return {
    version: fields.u32(4),
    flags,
    capacity: fields.u64(12),
    grain: fields.u64(20),
    descriptorOffset: fields.u64(28),
    descriptorSectors: fields.u64(36),
    entriesPerTable: fields.u32(44),
    redundantOffset: fields.u64(48),
    directoryOffset: fields.u64(56),
    overhead: fields.u64(64),
    compressed: (flags & COMPRESSED) !== 0 || fields.u16(77) === DEFLATE,
    newlinesIntact: (flags & NEWLINE_TEST) === 0 || hasBytes(bytes, 73, "\n \r\n"),
  };
}

/** @returns whether the numbers are sane enough to go on with the descriptor and the tables */
export function checkVmdkHeader(header: VmdkHeader, refusals: Refusals): boolean {
  const { version, capacity, grain, entriesPerTable } = header;
  if (version < 1 || version > 3) {
    refusals.add("VmdkVersion", `is VMDK of version ${version}, not 1 to 3`, { version });
    return false;
  }
  if (capacity === 0n) {
    // QEMU then opens the extents that the descriptor names.
    refusals.add("VmdkHeaderInvalid", "has no capacity of its own and would be read from other files");
    return false;
  }
  if (!header.newlinesIntact) {
    refusals.add("VmdkHeaderInvalid", "was damaged by a transfer in text mode; fetch it again");
  }
  if (grain < MIN_GRAIN || grain > MAX_GRAIN || !isPowerOfTwo(Number(grain))) {
    refusals.add("VmdkGrainSize", `has grains of ${grain} sectors`, { grain: String(grain) });
    return false;
  }
  if (entriesPerTable !== ENTRIES_PER_TABLE || directoryEntries(header) > MAX_DIRECTORY) {
    refusals.add(
      "VmdkGrainTables",
      `has grain tables of ${entriesPerTable} entries for ${capacity} sectors`,
      {
        entriesPerTable,
        capacity: String(capacity),
      },
    );
    return false;
  }
  return true;
}

export function directoryEntries({ capacity, grain, entriesPerTable }: VmdkHeader): bigint {
  return ceilDiv(capacity, grain * BigInt(entriesPerTable));
}

export function hasRedundantDirectory({ flags }: VmdkHeader): boolean {
  return (flags & REDUNDANT_DIRECTORY) !== 0;
}
