/**
 * Constants of the qcow2 format (QEMU, `docs/interop/qcow2.txt`, sections "Header" to "Cluster mapping") and the limits
 * that QEMU itself keeps.
 */

/** `QFI\xfb` */
export const MAGIC = 0x5146_49fb;

/** Where the fields of the header are, in bytes. */
export const FIELD = {
  magic: 0,
  version: 4,
  backingOffset: 8,
  backingLength: 16,
  clusterBits: 20,
  size: 24,
  cryptMethod: 32,
  l1Entries: 36,
  l1Offset: 40,
  refcountTableOffset: 48,
  refcountTableClusters: 56,
  snapshots: 60,
  snapshotsOffset: 64,
  incompatible: 72,
  compatible: 80,
  autoclear: 88,
  refcountOrder: 96,
  headerLength: 100,
  compressionType: 104,
} as const;

/** Bytes of a version 2 header, of the shortest version 3 header, and of the one written here (as QEMU's). */
export const HEADER_V2 = 72;
export const HEADER_V3 = 104;
export const HEADER_WRITTEN = 112;

/** Bits of `incompatible_features`. */
export const INCOMPATIBLE = {
  dirty: 1n,
  corrupt: 2n,
  dataFile: 4n,
  compressionType: 8n,
  extendedL2: 16n,
} as const;

export const CRYPT = { none: 0, aes: 1, luks: 2 } as const;

/** Types of header extensions. */
export const EXTENSION = {
  end: 0,
  backingFormat: 0xe279_2aca,
  crypto: 0x0537_be77,
  dataFile: 0x4441_5441,
} as const;

/** Bits of an L2 entry's upper and lower half. */
export const COPIED_HIGH = 0x8000_0000;
export const COMPRESSED_HIGH = 0x4000_0000;
export const ZERO_LOW = 1;

/** Bytes of an entry of the L1, L2 and refcount tables. */
export const ENTRY = 8;

/** Bytes of a guest's sector; every virtual size is a multiple. */
export const SECTOR = 512;

/** The width written here, and the only one this code changes: 16 bits. */
export const REFCOUNT_ORDER = 4;
export const REFCOUNT_BYTES = 2;

export const LEAST_CLUSTER_BITS = 9;
export const MOST_CLUSTER_BITS = 21;
export const MOST_L1_BYTES = 32 * 1024 * 1024;
export const MOST_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024;
export const MOST_SNAPSHOTS = 65_536;
export const MOST_BACKING_NAME = 1023;

/** What QEMU writes as the length of the LUKS area: 4040 sectors, eight key slots of AES-256-XTS. */
export const LUKS_AREA_BYTES = 0x1f_9000;
