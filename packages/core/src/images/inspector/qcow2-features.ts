import { V3_BYTES, type Qcow2Header } from "./qcow2-header.ts";
import type { Refusals } from "./refusal.ts";

/** Incompatible feature bits (`docs/interop/qcow2.txt`). */
const DIRTY = 1n << 0n;
const CORRUPT = 1n << 1n;
const DATA_FILE = 1n << 2n;
const COMPRESSION = 1n << 3n;
const EXTENDED_L2 = 1n << 4n;
const KNOWN = DIRTY | CORRUPT | DATA_FILE | COMPRESSION | EXTENDED_L2;
/** Autoclear bit: the external data file is a raw image by itself. */
const RAW_DATA_FILE = 1n << 1n;

const ZSTD = 1;

/** Features in use; a reader that does not know an incompatible one must not open the image. */
export interface Qcow2Features {
  readonly dirty: boolean;
  readonly corrupt: boolean;
  readonly dataFile: boolean;
  readonly extendedL2: boolean;
  readonly lazyRefcounts: boolean;
  readonly compression: "zlib" | "zstd" | "unknown";
}

export function checkFeatures(header: Qcow2Header, refusals: Refusals): Qcow2Features {
  const bits = header.incompatible;
  const features: Qcow2Features = {
    dirty: (bits & DIRTY) !== 0n,
    corrupt: (bits & CORRUPT) !== 0n,
    dataFile: (bits & DATA_FILE) !== 0n || (header.autoclear & RAW_DATA_FILE) !== 0n,
    extendedL2: (bits & EXTENDED_L2) !== 0n,
    lazyRefcounts: (header.compatible & 1n) !== 0n,
    compression: compressionOf(header),
  };
  if (features.dataFile) {
    refusals.add("Qcow2DataFile", "keeps its data in another file; convert it with qemu-img convert", {
      autoclear: `0x${header.autoclear.toString(16)}`,
    });
  }
  if ((bits & ~KNOWN) !== 0n) {
    const unknown = `0x${(bits & ~KNOWN).toString(16)}`;
    refusals.add("Qcow2UnknownFeatures", `has unknown incompatible features (${unknown})`, { unknown });
  }
  if (features.corrupt) {
    refusals.add("Qcow2Corrupt", "is marked as corrupt; repair it with qemu-img check -r all");
  }
  if (features.dirty) {
    refusals.add("Qcow2Dirty", "was not closed cleanly; repair it with qemu-img check -r leaks");
  }
  if (features.extendedL2) {
    refusals.add("Qcow2ExtendedL2", "has extended L2 entries; convert it with -o extended_l2=off");
  }
  if (features.compression === "unknown") {
    refusals.add("Qcow2CompressionType", "has a compression type that is unknown or contradicts its flag", {
      compressionType: header.compressionType,
    });
  }
  return features;
}

/** The flag and the field must agree: a reader that looks at one alone would read other data. */
function compressionOf(header: Qcow2Header): Qcow2Features["compression"] {
  const flagged = (header.incompatible & COMPRESSION) !== 0n;
  if (!flagged) return header.compressionType === 0 ? "zlib" : "unknown";
  return header.headerBytes > V3_BYTES && header.compressionType === ZSTD ? "zstd" : "unknown";
}
