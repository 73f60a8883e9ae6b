import { Fields } from "./fields.ts";

/** Bytes of a version 2 header; of a version 3 header at least 104. */
export const V2_BYTES = 72;
export const V3_BYTES = 104;

/** The header as it stands, unchecked. */
export interface Qcow2Header {
  readonly version: number;
  readonly backingFileOffset: bigint;
  readonly backingFileBytes: number;
  readonly clusterBits: number;
  readonly virtualSize: bigint;
  readonly cryptMethod: number;
  readonly l1Entries: number;
  readonly l1Offset: bigint;
  readonly refcountOffset: bigint;
  readonly refcountClusters: number;
  readonly snapshots: number;
  readonly snapshotsOffset: bigint;
  readonly incompatible: bigint;
  readonly compatible: bigint;
  readonly autoclear: bigint;
  readonly refcountOrder: number;
  readonly headerBytes: number;
  readonly compressionType: number;
}

/**
 * Reads a header of version 2 or 3; what version 2 does not have gets the value it implies.
 * Format: QEMU `docs/interop/qcow2.txt`, "Header".
 * @param head at least 72 bytes, of version 3 at least 104
 */
export function readQcow2Header(head: Uint8Array): Qcow2Header {
  const fields = new Fields(head, "big-endian");
  const v3 = fields.u32(4) >= 3;
  const headerBytes = v3 ? fields.u32(100) : V2_BYTES;
  return {
    version: fields.u32(4),
    backingFileOffset: fields.u64(8),
    backingFileBytes: fields.u32(16),
    clusterBits: fields.u32(20),
    virtualSize: fields.u64(24),
    cryptMethod: fields.u32(32),
    l1Entries: fields.u32(36),
    l1Offset: fields.u64(40),
    refcountOffset: fields.u64(48),
    refcountClusters: fields.u32(56),
    snapshots: fields.u32(60),
    snapshotsOffset: fields.u64(64),
    incompatible: v3 ? fields.u64(72) : 0n,
    compatible: v3 ? fields.u64(80) : 0n,
    autoclear: v3 ? fields.u64(88) : 0n,
    refcountOrder: v3 ? fields.u32(96) : 4,
    headerBytes,
    compressionType: v3 && headerBytes > V3_BYTES && head.length > V3_BYTES ? fields.u8(V3_BYTES) : 0,
  };
}
