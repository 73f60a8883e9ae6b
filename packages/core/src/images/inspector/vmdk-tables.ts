import { Fields } from "./fields.ts";
import type { Probe } from "./probe.ts";
import type { Refusals } from "./refusal.ts";
import { directoryEntries, hasRedundantDirectory, SECTOR, type VmdkHeader } from "./vmdk-header.ts";

const ENTRY_BYTES = 4n;
/** Directory entries looked at: 2 TiB at grains of 64 KiB, the most that VMDK holds. */
const LOOKED_AT_BYTES = 256 * 1024;

/** Whether the grain directory and what it points at lie inside the file. */
export async function checkGrainTables(header: VmdkHeader, probe: Probe, refusals: Refusals): Promise<void> {
  const bytes = directoryEntries(header) * ENTRY_BYTES;
  const metadata: [string, bigint][] = [
    ["metadata", header.overhead * SECTOR],
    ["grain directory", header.directoryOffset * SECTOR + bytes],
  ];
  if (hasRedundantDirectory(header)) {
    metadata.push(["redundant grain directory", header.redundantOffset * SECTOR + bytes]);
  }
  for (const [what, end] of metadata) {
    if (end <= probe.size) continue;
    refusals.addTruncated(what, end, probe.size);
    return;
  }
  if (header.directoryOffset === 0n) {
    refusals.add("VmdkGrainTables", "has a grain directory that overlaps its header");
    return;
  }
  const length = Number(bytes < BigInt(LOOKED_AT_BYTES) ? bytes : BigInt(LOOKED_AT_BYTES));
  const directory = new Fields(await probe.read(header.directoryOffset * SECTOR, length), "little-endian");
  const tableBytes = BigInt(header.entriesPerTable) * ENTRY_BYTES;
  for (let at = 0; at + 4 <= directory.bytes.length; at += 4) {
    const start = BigInt(directory.u32(at)) * SECTOR;
    if (start === 0n || start + tableBytes <= probe.size) continue;
    refusals.addTruncated("grain tables", start + tableBytes, probe.size);
    return;
  }
}
