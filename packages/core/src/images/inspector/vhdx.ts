import { hasBytes, isPowerOfTwo } from "./fields.ts";
import { bareMatch, type Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { Refusals } from "./refusal.ts";
import { checkBlockTable } from "./vhdx-blocks.ts";
import { MIB, readVhdxHeader } from "./vhdx-header.ts";
import { readMetadata, type VhdxMetadata } from "./vhdx-metadata.ts";
import { readRegions } from "./vhdx-regions.ts";

/** Identifier, headers and region tables. */
const HEADER_SECTION_BYTES = MIB;
const MIN_BLOCK = 1024 * 1024;
const MAX_BLOCK = 256 * 1024 * 1024;
const MAX_VIRTUAL_SIZE = 64n * 1024n * 1024n * MIB;

export type VhdxFacts = Omit<VhdxMetadata, "virtualSize">;

/**
 * Hyper-V's disk format.
 * Format: Microsoft [MS-VHDX]; QEMU `block/vhdx.h`.
 */
export async function inspectVhdx(probe: Probe): Promise<Match<"vhdx", VhdxFacts> | undefined> {
  if (!hasBytes(probe.head, 0, "vhdxfile")) return undefined;
  const refusals = new Refusals("vhdx");
  if (probe.size < HEADER_SECTION_BYTES) {
    refusals.addTruncated("header section", HEADER_SECTION_BYTES, probe.size);
    return bareMatch("vhdx", refusals.list);
  }
  const header = await readVhdxHeader(probe, refusals);
  // Behind a header that is refused nothing can be trusted.
  const regions =
    header && refusals.list.length === 0 ? await readRegions(probe, header, refusals) : undefined;
  const metadata = regions && (await readMetadata(probe, regions.metadata, refusals));
  if (!regions || !metadata) return bareMatch("vhdx", refusals.list);
  if (checkSizes(metadata, refusals)) await checkBlockTable(metadata, regions.blockTable, probe, refusals);
  const { virtualSize, ...facts } = metadata;
  return { format: "vhdx", virtualSize, facts, refusals: refusals.list };
}

function checkSizes(metadata: VhdxMetadata, refusals: Refusals): boolean {
  const { blockSize, logicalSector, virtualSize } = metadata;
  if (metadata.hasParent) {
    refusals.add("VhdxHasParent", "is a differencing disk; merge it into its parent first");
  }
  if (!isPowerOfTwo(blockSize) || blockSize < MIN_BLOCK || blockSize > MAX_BLOCK) {
    refusals.add("VhdxBlockSize", `has blocks of ${blockSize} bytes, not 1 to 256 MiB`, { blockSize });
  }
  if (logicalSector !== 512 && logicalSector !== 4096) {
    refusals.add("VhdxSectorSize", `has sectors of ${logicalSector} bytes`, { logicalSector });
  } else if (virtualSize > MAX_VIRTUAL_SIZE || virtualSize % BigInt(logicalSector) !== 0n) {
    refusals.add("VhdxVirtualSize", `claims ${virtualSize} bytes`, { virtualSize: String(virtualSize) });
  }
  return refusals.list.length === 0 && virtualSize > 0n;
}
