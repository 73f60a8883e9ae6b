import { clustersFor, geometryOf, l1EntriesFor } from "./geometry.ts";
import type { HostRange, Qcow2Header } from "./header.ts";
import { ENTRY, MOST_L1_BYTES, MOST_REFCOUNT_TABLE_BYTES, MOST_SNAPSHOTS, SECTOR } from "./layout.ts";
import { Qcow2Error } from "./qcow2-error.ts";

/** Bytes of the LUKS partition header; less cannot be one. */
const LEAST_LUKS_BYTES = 592;

const invalid = (reason: string, message: string, details: Record<string, unknown> = {}): Qcow2Error =>
  new Qcow2Error("Qcow2HeaderInvalid", reason, message, details);
const hostile = (reason: string, message: string, details: Record<string, unknown> = {}): Qcow2Error =>
  new Qcow2Error("Qcow2HeaderHostile", reason, message, details);

/**
 * Checks what a header says against itself and the file: limits, places, and that nothing lies on anything else.
 *
 * @param fileSize - bytes
 * @throws Qcow2Error `Qcow2HeaderInvalid`, `Qcow2HeaderHostile`
 */
export function checkRanges(header: Qcow2Header, fileSize: number): void {
  const { virtualSize, l1, refcountTable, luks, snapshots, refcountOrder } = header;
  const geometry = geometryOf(header.clusterBits);
  if (virtualSize % BigInt(SECTOR) !== 0n || virtualSize >= 2n ** 63n) {
    throw invalid("virtual-size", `a disk cannot have ${virtualSize} bytes`);
  }
  if (refcountOrder > 6) throw invalid("refcount-order", `a refcount cannot have 2^${refcountOrder} bits`);
  if (snapshots > MOST_SNAPSHOTS) throw hostile("snapshots", `${snapshots} internal snapshots are too many`);
  if (l1.entries * ENTRY > MOST_L1_BYTES) throw hostile("l1-size", `an L1 table of ${l1.entries} entries`);
  if (l1.entries < l1EntriesFor(virtualSize, geometry)) {
    throw invalid("l1-size", `${l1.entries} L1 entries do not cover ${virtualSize} bytes`);
  }
  const tableBytes = refcountTable.clusters * geometry.clusterSize;
  if (tableBytes > MOST_REFCOUNT_TABLE_BYTES) {
    throw hostile("refcount-table-size", `a refcount table of ${tableBytes} bytes`);
  }
  if (tableBytes === 0) throw invalid("refcount-table-size", "there is no refcount table");
  if (luks !== undefined && luks.length < LEAST_LUKS_BYTES) {
    throw invalid("luks-length", `a LUKS header cannot have ${luks.length} bytes`);
  }
  const places: (HostRange & { name: string })[] = [
    { name: "l1", offset: l1.offset, length: l1.entries * ENTRY },
    { name: "refcount-table", offset: refcountTable.offset, length: tableBytes },
    ...(luks === undefined ? [] : [{ name: "luks", ...luks }]),
  ].filter(({ length }) => length > 0);
  for (const { name, offset, length } of places) {
    if (offset % geometry.clusterSize !== 0) {
      throw invalid(`${name}-offset`, `byte ${offset} is not the start of a cluster`, { offset });
    }
    if (offset + length > roundUp(fileSize, geometry.clusterSize)) {
      throw invalid(`${name}-outside`, `bytes ${offset} to ${offset + length} are beyond the file's end`, {
        offset,
        length,
      });
    }
  }
  const occupied = [
    { name: "header", offset: 0, length: geometry.clusterSize },
    ...places.map(({ name, offset, length }) => ({
      name,
      offset,
      length: clustersFor(length, geometry) * geometry.clusterSize,
    })),
  ].toSorted((a, b) => a.offset - b.offset);
  for (const [i, { name, offset }] of occupied.entries()) {
    const before = occupied[i - 1];
    if (before !== undefined && before.offset + before.length > offset) {
      throw hostile("overlap", `${before.name} and ${name} are in the same place`, { offset });
    }
  }
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
