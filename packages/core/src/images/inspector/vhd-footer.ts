import { Fields, hasBytes } from "./fields.ts";

export const FOOTER_BYTES = 512;
export const NO_OFFSET = 0xffff_ffff_ffff_ffffn;

const CHECKSUM_AT = 64;
const SECTOR = 512n;
/** The most that cylinders, heads and sectors can say; disks beyond it carry this geometry. */
const MAX_GEOMETRY_SECTORS = 65535n * 16n * 255n;

/** The footer, and of dynamic disks its copy at the start. */
export interface VhdFooter {
  readonly version: number;
  /** Where the dynamic header is. */
  readonly dataOffset: bigint;
  readonly creatorApp: string;
  readonly currentSize: bigint;
  /** Bytes by cylinders, heads and sectors. */
  readonly geometrySize: bigint;
  readonly type: number;
  readonly savedState: boolean;
  readonly checksumHolds: boolean;
}

/**
 * Format: Microsoft "Virtual Hard Disk Image Format Specification" 1.0, "Hard Disk Footer Format";
 * QEMU `block/vpc.c`, `VHDFooter`.
 * @param bytes 512 of them
 */
export function readVhdFooter(bytes: Uint8Array): VhdFooter {
  const fields = new Fields(bytes, "big-endian");
  return {
    version: fields.u32(12),
    dataOffset: fields.u64(16),
    creatorApp: fields.latin1(28, 4),
    currentSize: fields.u64(48),
    geometrySize: BigInt(fields.u16(56) * fields.u8(58) * fields.u8(59)) * SECTOR,
    type: fields.u32(60),
    savedState: fields.u8(84) !== 0,
    checksumHolds: fields.u32(CHECKSUM_AT) === vhdChecksum(bytes, CHECKSUM_AT),
  };
}

export function isVhdFooter(bytes: Uint8Array): boolean {
  return hasBytes(bytes, 0, "conectix");
}

/** One's complement of the sum of all bytes but the checksum's own. */
export function vhdChecksum(bytes: Uint8Array, checksumAt: number): number {
  let sum = 0;
  for (const [at, byte] of bytes.entries()) {
    if (at < checksumAt || at >= checksumAt + 4) sum += byte;
  }
  return ~sum >>> 0;
}

/**
 * What a guest sees. Virtual PC and old QEMU go by the geometry, all others by the current size (QEMU `block/vpc.c`,
 * `vpc_ignore_current_size`); so does everyone once the geometry is at its limit.
 */
export function vhdVirtualSize({ creatorApp, currentSize, geometrySize }: VhdFooter): bigint {
  const byGeometry = creatorApp === "vpc " || creatorApp === "qemu";
  return byGeometry && geometrySize < MAX_GEOMETRY_SECTORS * SECTOR ? geometrySize : currentSize;
}
