import { backingFormatExtension, cryptoExtension, serializeExtensions } from "./extensions.ts";
import type { Backing, Extension, Qcow2Header } from "./header.ts";
import { CRYPT, EXTENSION, FIELD, HEADER_V2, MAGIC, MOST_BACKING_NAME } from "./layout.ts";
import { Qcow2Error } from "./qcow2-error.ts";

const OURS: ReadonlySet<number> = new Set([EXTENSION.backingFormat, EXTENSION.crypto]);

/**
 * The bytes at the start of the first cluster: header, extensions, name of the backing file. The rest is zero.
 *
 * @param original - the header as it was read, to keep additional fields that this code does not know
 * @throws Qcow2Error `Qcow2RequestInvalid` if they do not fit the cluster, or for an impossible backing file
 */
export function serializeHeader(header: Qcow2Header, original?: Uint8Array): Uint8Array {
  const { backing, headerLength } = header;
  const extensions = serializeExtensions(extensionsOf(header));
  const name = backing === undefined ? new Uint8Array() : backingName(backing);
  const nameAt = headerLength + extensions.length;
  if (nameAt + name.length > 2 ** header.clusterBits) {
    throw new Qcow2Error(
      "Qcow2RequestInvalid",
      "header-room",
      `the name of the backing file has ${name.length} bytes, more than fit a cluster of ${2 ** header.clusterBits}`,
      { backingFile: backing?.file },
    );
  }
  const bytes = new Uint8Array(nameAt + name.length);
  if (original !== undefined) bytes.set(original.subarray(0, headerLength));
  setFields(new DataView(bytes.buffer), header);
  bytes.set(extensions, headerLength);
  bytes.set(name, nameAt);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(FIELD.backingOffset, name.length === 0 ? 0n : BigInt(nameAt));
  view.setUint32(FIELD.backingLength, name.length);
  return bytes;
}

function setFields(view: DataView, header: Qcow2Header): void {
  view.setUint32(FIELD.magic, MAGIC);
  view.setUint32(FIELD.version, header.version);
  view.setUint32(FIELD.clusterBits, header.clusterBits);
  view.setBigUint64(FIELD.size, header.virtualSize);
  view.setUint32(FIELD.cryptMethod, CRYPT[header.encryption]);
  view.setUint32(FIELD.l1Entries, header.l1.entries);
  view.setBigUint64(FIELD.l1Offset, BigInt(header.l1.offset));
  view.setBigUint64(FIELD.refcountTableOffset, BigInt(header.refcountTable.offset));
  view.setUint32(FIELD.refcountTableClusters, header.refcountTable.clusters);
  if (header.headerLength === HEADER_V2) return;
  view.setBigUint64(FIELD.incompatible, header.incompatible);
  view.setBigUint64(FIELD.compatible, header.compatible);
  view.setBigUint64(FIELD.autoclear, header.autoclear);
  view.setUint32(FIELD.refcountOrder, header.refcountOrder);
  view.setUint32(FIELD.headerLength, header.headerLength);
}

function extensionsOf({ backing, luks, extensions }: Qcow2Header): Extension[] {
  return [
    ...(backing?.format === undefined ? [] : [backingFormatExtension(backing.format)]),
    ...(luks === undefined ? [] : [cryptoExtension(luks)]),
    ...extensions.filter(({ type }) => !OURS.has(type)),
  ];
}

function backingName({ file, format }: Backing): Uint8Array {
  const name = new TextEncoder().encode(file);
  if (name.length === 0 || name.length > MOST_BACKING_NAME || file.includes("\0")) {
    throw new Qcow2Error(
      "Qcow2RequestInvalid",
      "backing-file",
      `the name of a backing file has 1 to ${MOST_BACKING_NAME} bytes and no NUL, not ${name.length}`,
      { backingFile: file },
    );
  }
  if (format !== undefined && !/^[a-z0-9_-]{1,15}$/iu.test(format)) {
    throw new Qcow2Error("Qcow2RequestInvalid", "backing-format", `"${format}" is not a format of QEMU`);
  }
  return name;
}
