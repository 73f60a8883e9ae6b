import { Fields, hasBytes } from "./fields.ts";
import type { Probe } from "./probe.ts";
import type { Refusals } from "./refusal.ts";
import type { VhdxRegion } from "./vhdx-regions.ts";

const TABLE_BYTES = 64 * 1024;
const ENTRY_BYTES = 32;
const MAX_ENTRIES = 2047;
const REQUIRED = 1 << 2;
const HAS_PARENT = 1 << 1;

/** Metadata items by their GUID as its bytes stand in the file, and the bytes that are read of them. */
const ITEMS = {
  "3767a1ca36fa434db3b633f0aa44e76b": { name: "parameters", bytes: 8 },
  "2442a52f1bcd7648b2115dbed83bf4b8": { name: "virtualSize", bytes: 8 },
  "1dbf41816fa90947ba47f233a8faab5f": { name: "logicalSector", bytes: 4 },
  c748a3cd5d4471449cc9e9885251c556: { name: "physicalSector", bytes: 4 },
  ab12cabee6b2234593efc309e000c746: { name: "page83", bytes: 16 },
  "2d5fd3a80bb34d45abf7d3d84834ab0c": { name: "parentLocator", bytes: 0 },
} as const;
type ItemName = (typeof ITEMS)[keyof typeof ITEMS]["name"];

export interface VhdxMetadata {
  readonly blockSize: number;
  readonly hasParent: boolean;
  readonly virtualSize: bigint;
  readonly logicalSector: number;
}

/**
 * Format: Microsoft [MS-VHDX] 2.6, "Metadata Region"; QEMU `block/vhdx.h`, `VHDXMetadataTableEntry`.
 * @returns undefined when an item that every VHDX has is missing or misplaced
 */
export async function readMetadata(
  probe: Probe,
  region: VhdxRegion,
  refusals: Refusals,
): Promise<VhdxMetadata | undefined> {
  const items = await findItems(probe, region, refusals);
  if (!items) return undefined;
  const [parameters, virtualSize, logical] = [
    items.get("parameters"),
    items.get("virtualSize"),
    items.get("logicalSector"),
  ];
  if (!parameters || !virtualSize || !logical) {
    refusals.add("VhdxMetadata", "lacks its block, disk or sector size");
    return undefined;
  }
  return {
    blockSize: parameters.u32(0),
    hasParent: (parameters.u32(4) & HAS_PARENT) !== 0 || items.has("parentLocator"),
    virtualSize: virtualSize.u64(0),
    logicalSector: logical.u32(0),
  };
}

async function findItems(
  probe: Probe,
  region: VhdxRegion,
  refusals: Refusals,
): Promise<Map<ItemName, Fields> | undefined> {
  const bytes = await probe.read(region.offset, TABLE_BYTES);
  const table = new Fields(bytes, "little-endian");
  if (bytes.length < TABLE_BYTES || !hasBytes(bytes, 0, "metadata") || table.u16(10) > MAX_ENTRIES) {
    refusals.add("VhdxMetadata", "has no valid metadata table; fetch it again");
    return undefined;
  }
  const found = new Map<ItemName, Fields>();
  for (let i = 1; i <= table.u16(10); i++) {
    const at = i * ENTRY_BYTES;
    const id = table.hex(at, 16);
    const item = itemOf(id);
    if (!item) {
      if ((table.u32(at + 24) & REQUIRED) === 0) continue;
      refusals.add("VhdxUnknownMetadata", `requires unknown metadata (${id})`, { id });
      return undefined;
    }
    const [offset, length] = [table.u32(at + 16), table.u32(at + 20)];
    const inside = offset >= TABLE_BYTES && BigInt(offset) + BigInt(length) <= region.bytes;
    if (!inside || length < item.bytes || found.has(item.name)) {
      refusals.add("VhdxMetadata", `has a misplaced or repeated ${item.name}`, { offset, length });
      return undefined;
    }
    const content = await probe.read(region.offset + BigInt(offset), item.bytes);
    if (content.length < item.bytes) {
      refusals.addTruncated("metadata", region.offset + BigInt(offset + item.bytes), probe.size);
      return undefined;
    }
    found.set(item.name, new Fields(content, "little-endian"));
  }
  return found;
}

function itemOf(id: string): (typeof ITEMS)[keyof typeof ITEMS] | undefined {
  return Object.hasOwn(ITEMS, id) ? ITEMS[id as keyof typeof ITEMS] : undefined;
}
