import { checkFeatures } from "./check-features.ts";
import { parseExtensions } from "./extensions.ts";
import type { Backing, Extension, HostRange, Qcow2Header } from "./header.ts";
import {
  CRYPT,
  EXTENSION,
  FIELD,
  HEADER_V2,
  HEADER_V3,
  LEAST_CLUSTER_BITS,
  MAGIC,
  MOST_BACKING_NAME,
  MOST_CLUSTER_BITS,
  REFCOUNT_ORDER,
} from "./layout.ts";
import { Qcow2Error } from "./qcow2-error.ts";

const invalid = (reason: string, message: string, details: Record<string, unknown> = {}): Qcow2Error =>
  new Qcow2Error("Qcow2HeaderInvalid", reason, message, details);

/** Bytes enough to learn the cluster size. */
export const PROBE_BYTES = FIELD.clusterBits + 4;

/**
 * The size of the first cluster, which holds the header, from its first 24 bytes.
 *
 * @throws Qcow2Error `Qcow2HeaderInvalid`, `Qcow2Unsupported`
 */
export function probeClusterBits(start: Uint8Array): number {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  if (start.length < PROBE_BYTES || view.getUint32(FIELD.magic) !== MAGIC) {
    throw invalid("magic", "this is not a qcow2 image: its first bytes are others");
  }
  const version = view.getUint32(FIELD.version);
  if (version !== 2 && version !== 3) {
    throw new Qcow2Error("Qcow2Unsupported", "version", `qcow2 version ${version} is unknown`, { version });
  }
  const clusterBits = view.getUint32(FIELD.clusterBits);
  if (clusterBits < LEAST_CLUSTER_BITS || clusterBits > MOST_CLUSTER_BITS) {
    throw invalid("cluster-size", `a cluster has 2^9 to 2^21 bytes, not 2^${clusterBits}`, { clusterBits });
  }
  return clusterBits;
}

/**
 * Reads a header without looking at the rest of the file.
 *
 * @param cluster - the first cluster, all of it
 * @throws Qcow2Error `Qcow2HeaderInvalid`, `Qcow2Unsupported`
 */
export function parseHeader(cluster: Uint8Array): Qcow2Header {
  const clusterBits = probeClusterBits(cluster);
  if (cluster.length < 2 ** clusterBits) throw invalid("truncated", "the file ends within its header");
  const view = new DataView(cluster.buffer, cluster.byteOffset, cluster.byteLength);
  const version = view.getUint32(FIELD.version) === 2 ? 2 : 3;
  const headerLength = version === 2 ? HEADER_V2 : view.getUint32(FIELD.headerLength);
  if (
    version === 3 &&
    (headerLength < HEADER_V3 || headerLength % 8 !== 0 || headerLength > cluster.length)
  ) {
    throw invalid("header-length", `a header cannot have ${headerLength} bytes`, { headerLength });
  }
  const later = (offset: number): bigint => (version === 2 ? 0n : view.getBigUint64(offset));
  const fields = {
    incompatible: later(FIELD.incompatible),
    compatible: later(FIELD.compatible),
    autoclear: later(FIELD.autoclear),
  };
  const compression = headerLength > FIELD.compressionType ? view.getUint8(FIELD.compressionType) : 0;
  const encryption = checkFeatures(view.getUint32(FIELD.cryptMethod), fields.incompatible, compression);

  const name = backingRange(view, headerLength, cluster.length);
  const extensions = parseExtensions(cluster.subarray(headerLength, name?.offset ?? cluster.length));
  const luks = luksRange(extensions, view.getUint32(FIELD.cryptMethod));
  return {
    version,
    clusterBits,
    virtualSize: view.getBigUint64(FIELD.size),
    encryption,
    ...(luks === undefined ? {} : { luks }),
    ...(name === undefined ? {} : { backing: backingOf(cluster, name, extensions) }),
    l1: { offset: offsetAt(view, FIELD.l1Offset), entries: view.getUint32(FIELD.l1Entries) },
    refcountTable: {
      offset: offsetAt(view, FIELD.refcountTableOffset),
      clusters: view.getUint32(FIELD.refcountTableClusters),
    },
    refcountOrder: version === 2 ? REFCOUNT_ORDER : view.getUint32(FIELD.refcountOrder),
    snapshots: view.getUint32(FIELD.snapshots),
    ...fields,
    headerLength,
    extensions,
  };
}

/** An offset as a number; one that no file reaches is refused. */
function offsetAt(view: DataView, at: number): number {
  const offset = Number(view.getBigUint64(at));
  if (!Number.isSafeInteger(offset)) throw invalid("offset", `no file reaches byte ${offset}`, { offset });
  return offset;
}

function backingRange(view: DataView, headerLength: number, clusterSize: number): HostRange | undefined {
  const offset = offsetAt(view, FIELD.backingOffset);
  const length = view.getUint32(FIELD.backingLength);
  if (offset === 0) return undefined;
  const fits = offset >= headerLength && offset + length <= clusterSize;
  if (length === 0 || length > MOST_BACKING_NAME || !fits) {
    throw invalid("backing-file", "the name of the backing file is outside the header cluster", {
      offset,
      length,
    });
  }
  return { offset, length };
}

function backingOf(cluster: Uint8Array, { offset, length }: HostRange, extensions: Extension[]): Backing {
  const format = extensions.find(({ type }) => type === EXTENSION.backingFormat);
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const file = text.decode(cluster.subarray(offset, offset + length));
    if (file.includes("\0")) throw new TypeError("NUL");
    return { file, ...(format === undefined ? {} : { format: text.decode(format.data) }) };
  } catch {
    throw invalid("backing-file", "the name of the backing file, or its format, is not text");
  }
}

function luksRange(extensions: Extension[], method: number): HostRange | undefined {
  const data = extensions.find(({ type }) => type === EXTENSION.crypto)?.data;
  if ((data === undefined) === (method === CRYPT.luks)) {
    throw invalid(
      "crypto-extension",
      `encryption method ${method} and the pointer to a LUKS header disagree`,
    );
  }
  if (data === undefined) return undefined;
  if (data.length !== 16) throw invalid("crypto-extension", "the pointer to the LUKS header is damaged");
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return { offset: offsetAt(view, 0), length: offsetAt(view, 8) };
}
