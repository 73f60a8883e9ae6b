import { Fields, hasBytes } from "./fields.ts";
import { bareMatch, type Match } from "./match.ts";
import { printable } from "./printable.ts";
import type { Probe } from "./probe.ts";
import { checkCrypto, type Qcow2Encryption } from "./qcow2-crypto.ts";
import { type Qcow2Extensions, readExtensions } from "./qcow2-extensions.ts";
import { checkFeatures, type Qcow2Features } from "./qcow2-features.ts";
import { type Qcow2Header, readQcow2Header, V2_BYTES, V3_BYTES } from "./qcow2-header.ts";
import { checkSnapshots } from "./qcow2-snapshots.ts";
import { checkTables } from "./qcow2-tables.ts";
import { Refusals } from "./refusal.ts";

const MIN_CLUSTER_BITS = 9;
/** QEMU's limit: 2 MiB. */
const MAX_CLUSTER_BITS = 21;
const MAX_REFCOUNT_ORDER = 6;
/** Of the first cluster; QEMU's own header and extensions take less than 1 KiB. */
const EXTENSIONS_WITHIN = 64 * 1024;
/** QEMU's limit for names of backing files. */
const MAX_NAME_BYTES = 1023;

export interface Qcow2Facts extends Qcow2Features {
  readonly version: number;
  readonly clusterSize: number;
  readonly refcountBits: number;
  readonly snapshots: number;
  readonly backingFile?: string;
  readonly encryption?: Qcow2Encryption;
  readonly extensions: Qcow2Extensions;
}

/**
 * qcow2, versions 2 and 3.
 * Format: QEMU `docs/interop/qcow2.txt`.
 */
export async function inspectQcow2(probe: Probe): Promise<Match<"qcow2", Qcow2Facts> | undefined> {
  const { head } = probe;
  if (!hasBytes(head, 0, "QFI\xfb") || hasBytes(head, 4, "\0\0\0\x01")) return undefined;
  const refusals = new Refusals("qcow2");
  const version = head.length >= 8 ? new Fields(head, "big-endian").u32(4) : undefined;
  const needed = version === 2 ? V2_BYTES : V3_BYTES;
  if (version !== undefined && version !== 2 && version !== 3) {
    refusals.add("Qcow2Version", `is qcow2 of version ${version}, not 2 or 3`, { version });
    return bareMatch("qcow2", refusals.list);
  }
  if (head.length < needed) {
    refusals.addTruncated("header", needed, probe.size);
    return bareMatch("qcow2", refusals.list);
  }
  const header = readQcow2Header(head);
  const facts = await inspectHeader(header, probe, refusals);
  return { format: "qcow2", virtualSize: header.virtualSize, facts, refusals: refusals.list };
}

async function inspectHeader(header: Qcow2Header, probe: Probe, refusals: Refusals): Promise<Qcow2Facts> {
  const backingFile = checkBackingFile(header, probe, refusals);
  const features = checkFeatures(header, refusals);
  const sound = checkShape(header, probe, refusals);
  const extensions = sound ? extensionsOf(header, probe, refusals) : {};
  if (extensions.dataFile !== undefined && !features.dataFile) {
    refusals.add("Qcow2DataFile", `names an external data file (${extensions.dataFile}); convert it`);
  }
  const encryption = sound ? await checkCrypto(header, extensions, probe, refusals) : undefined;
  if (sound) checkSnapshots(header, probe.size, refusals);
  if (sound && !features.extendedL2) await checkTables(header, probe, refusals);
  return {
    ...features,
    version: header.version,
    clusterSize: sound ? 2 ** header.clusterBits : 0,
    refcountBits: header.refcountOrder <= MAX_REFCOUNT_ORDER ? 2 ** header.refcountOrder : 0,
    snapshots: header.snapshots,
    extensions,
    ...(backingFile === undefined ? {} : { backingFile }),
    ...(encryption === undefined ? {} : { encryption }),
  };
}

function checkBackingFile(header: Qcow2Header, { head }: Probe, refusals: Refusals): string | undefined {
  if (header.backingFileOffset === 0n) return undefined;
  const at = header.backingFileOffset < BigInt(head.length) ? Number(header.backingFileOffset) : head.length;
  const length = Math.min(header.backingFileBytes, MAX_NAME_BYTES);
  const name = printable(new Fields(head, "big-endian").latin1(at, length));
  refusals.add("Qcow2BackingFile", `has a backing file (${name}); flatten it with qemu-img convert`, {
    backingFile: name,
  });
  return name;
}

function checkShape(header: Qcow2Header, { size }: Probe, refusals: Refusals): boolean {
  const { clusterBits, headerBytes, refcountOrder, version } = header;
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) {
    refusals.add("Qcow2ClusterSize", `has clusters of 2^${clusterBits} bytes, not 512 bytes to 2 MiB`, {
      clusterBits,
    });
    return false;
  }
  if (refcountOrder > MAX_REFCOUNT_ORDER) {
    refusals.add("Qcow2RefcountOrder", `has the refcount order ${refcountOrder}, above 6`, { refcountOrder });
  }
  if (version === 3 && (headerBytes < V3_BYTES || headerBytes % 8 !== 0 || headerBytes > 2 ** clusterBits)) {
    refusals.add("Qcow2HeaderLength", `claims a header of ${headerBytes} bytes`, { headerBytes });
    return false;
  }
  if (BigInt(headerBytes) > size) {
    refusals.addTruncated("header", headerBytes, size);
    return false;
  }
  return true;
}

function extensionsOf(header: Qcow2Header, { head, size }: Probe, refusals: Refusals): Qcow2Extensions {
  const cluster = 2 ** header.clusterBits;
  const name = header.backingFileOffset;
  const end = name > BigInt(header.headerBytes) && name < BigInt(cluster) ? Number(name) : cluster;
  const area = head.subarray(0, Math.min(end, EXTENSIONS_WITHIN));
  const whole = area.length === end || BigInt(area.length) === size;
  return readExtensions(area, whole, header.headerBytes, refusals);
}
