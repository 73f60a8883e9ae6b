import { holdsCrc32c } from "./crc32c.ts";
import { Fields, hasBytes } from "./fields.ts";
import type { Probe } from "./probe.ts";
import type { Refusals } from "./refusal.ts";
import { MIB, type VhdxHeader } from "./vhdx-header.ts";

const TABLE_AT = 192n * 1024n;
const COPY_AT = 256n * 1024n;
const TABLE_BYTES = 64 * 1024;
const CHECKSUM_AT = 4;
const ENTRIES_AT = 16;
const ENTRY_BYTES = 32;
const MAX_ENTRIES = 2047;
const REQUIRED = 1;

/** GUIDs as their bytes stand in the file. */
const BLOCK_TABLE = "6677c22d23f600429d64115e9bfd4a08";
const METADATA = "06a27c8b90479a4bb8fe575f050f886e";

export interface VhdxRegion {
  readonly offset: bigint;
  readonly bytes: bigint;
}

export interface VhdxRegions {
  readonly blockTable: VhdxRegion;
  readonly metadata: VhdxRegion;
}

/** Format: Microsoft [MS-VHDX] 2.2.3, "Region Table"; QEMU `block/vhdx.h`, `VHDXRegionTableHeader`. */
export async function readRegions(
  probe: Probe,
  header: VhdxHeader,
  refusals: Refusals,
): Promise<VhdxRegions | undefined> {
  const table = await validTable(probe);
  if (!table) {
    refusals.add("VhdxRegionTable", "has no valid region table; fetch it again");
    return undefined;
  }
  const found = new Map<string, VhdxRegion>();
  for (let i = 0; i < table.u32(8); i++) {
    const at = ENTRIES_AT + i * ENTRY_BYTES;
    const id = table.hex(at, 16);
    const known = id === BLOCK_TABLE || id === METADATA;
    if (!known && (table.u32(at + 28) & REQUIRED) !== 0) {
      refusals.add("VhdxUnknownRegion", `requires an unknown region (${id})`, { id });
    }
    if (found.has(id)) refusals.add("VhdxRegionTable", `lists a region twice (${id})`, { id });
    found.set(id, { offset: table.u64(at + 16), bytes: BigInt(table.u32(at + 24)) });
    if (refusals.list.length > 0) return undefined;
  }
  if (!placed([...found.values()], header, probe.size, refusals)) return undefined;
  const [blockTable, metadata] = [found.get(BLOCK_TABLE), found.get(METADATA)];
  if (blockTable && metadata) return { blockTable, metadata };
  refusals.add("VhdxRegionTable", "lacks its block table or its metadata");
  return undefined;
}

/** The table, of which both copies must hold: QEMU reads the first, others either. */
async function validTable(probe: Probe): Promise<Fields | undefined> {
  const bytes = await probe.read(TABLE_AT, TABLE_BYTES);
  const copy = await probe.read(COPY_AT, TABLE_BYTES);
  if (bytes.length < TABLE_BYTES || !hasBytes(bytes, 0, "regi")) return undefined;
  if (Buffer.compare(bytes, copy) !== 0 || !holdsCrc32c(bytes, CHECKSUM_AT)) return undefined;
  const fields = new Fields(bytes, "little-endian");
  return fields.u32(8) <= MAX_ENTRIES ? fields : undefined;
}

/** Every region, and the log, keeps to itself: behind the first MiB, on whole MiB, inside the file. */
function placed(
  regions: readonly VhdxRegion[],
  { logOffset, logBytes }: VhdxHeader,
  size: bigint,
  refusals: Refusals,
): boolean {
  const all = [...regions, { offset: logOffset, bytes: logBytes }].sort((a, b) =>
    a.offset < b.offset ? -1 : 1,
  );
  let taken = MIB;
  for (const { offset, bytes } of all) {
    const details = { offset: String(offset), bytes: String(bytes) };
    if (offset % MIB !== 0n || bytes % MIB !== 0n || bytes === 0n) {
      refusals.add("VhdxRegionTable", "has a region that is not whole MiB on a whole MiB", details);
    } else if (offset < taken) {
      refusals.add("VhdxRegionOverlap", `has regions that overlap at byte ${offset}`, details);
    } else if (offset + bytes > size) {
      refusals.addTruncated("region", offset + bytes, size);
    }
    if (refusals.list.length > 0) return false;
    taken = offset + bytes;
  }
  return true;
}
