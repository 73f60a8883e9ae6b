/** A part of the image file, in bytes. */
export interface HostRange {
  offset: number;
  length: number;
}

/** The image that unallocated clusters are read from. */
export interface Backing {
  /** As it stands in the header: QEMU takes a relative name from the image's directory. */
  file: string;
  /** QEMU's name of its format; absent in images that leave it to be probed. */
  format?: string;
}

/** A header extension, kept as it is when the header is rewritten. */
export interface Extension {
  type: number;
  data: Uint8Array;
}

/** The header of a qcow2 image, checked. Offsets and lengths are bytes of the image file. */
export interface Qcow2Header {
  version: 2 | 3;
  clusterBits: number;
  /** Bytes that the guest sees. */
  virtualSize: bigint;
  encryption: "none" | "luks";
  /** Where the LUKS header and its key material are; only with `luks`. */
  luks?: HostRange;
  backing?: Backing;
  l1: { offset: number; entries: number };
  refcountTable: { offset: number; clusters: number };
  /** Width of a refcount: 2^order bits. */
  refcountOrder: number;
  /** Internal snapshots. */
  snapshots: number;
  incompatible: bigint;
  compatible: bigint;
  autoclear: bigint;
  headerLength: number;
  /** In order, the end marker left out. */
  extensions: readonly Extension[];
}
