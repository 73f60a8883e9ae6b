import { bareMatch, type Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { Refusals } from "./refusal.ts";
import { MAX_DESCRIPTOR_BYTES, readDescriptor, type VmdkDescriptor } from "./vmdk-descriptor.ts";
import { checkExtents, createTypeName } from "./vmdk-extents.ts";
import { effectiveHeader } from "./vmdk-footer.ts";
import { checkVmdkHeader, HEADER_BYTES, readVmdkHeader, SECTOR, type VmdkHeader } from "./vmdk-header.ts";
import { vmdkSignature } from "./vmdk-signature.ts";
import { checkGrainTables } from "./vmdk-tables.ts";

/** Where QEMU looks for the descriptor, whatever the header says. */
const DESCRIPTOR_SECTOR = 1n;

export interface VmdkFacts {
  /** Absent for kinds without a sparse header. */
  readonly version?: number;
  readonly grainSize?: bigint;
  readonly compressed?: boolean;
  /** In VMware's spelling: `streamOptimized`, `monolithicSparse`. */
  readonly createType?: string;
  readonly extents?: VmdkDescriptor["extents"];
}

/**
 * VMware's disk format: sparse and stream-optimized extents, and descriptors of disks in other files.
 * Format: VMware "Virtual Disk Format 5.0"; QEMU `block/vmdk.c`.
 */
export async function inspectVmdk(probe: Probe): Promise<Match<"vmdk", VmdkFacts> | undefined> {
  const signature = vmdkSignature(probe.head);
  if (!signature) return undefined;
  const refusals = new Refusals("vmdk");
  if (signature === "sparse") return inspectSparse(probe, refusals);
  if (signature === "descriptor") return inspectDescriptor(probe, refusals);
  const createType = signature === "cowd" ? "vmfsSparse" : "seSparse";
  refusals.add("VmdkCreateType", `is an ESXi sparse extent (${createType}); export it as streamOptimized`, {
    createType,
  });
  return { format: "vmdk", virtualSize: undefined, facts: { createType }, refusals: refusals.list };
}

async function inspectDescriptor(probe: Probe, refusals: Refusals): Promise<Match<"vmdk", VmdkFacts>> {
  if (probe.size > BigInt(MAX_DESCRIPTOR_BYTES)) {
    refusals.add("VmdkDescriptorTooLarge", `is a VMDK descriptor of ${probe.size} bytes`);
    return bareMatch("vmdk", refusals.list);
  }
  const descriptor = readDescriptor(probe.head.subarray(0, Number(probe.size)), refusals);
  if (!descriptor) return bareMatch("vmdk", refusals.list);
  checkExtents(descriptor, undefined, refusals);
  const sectors = descriptor.extents.reduce((sum, extent) => sum + extent.sectors, 0n);
  return {
    format: "vmdk",
    virtualSize: sectors * SECTOR,
    facts: { createType: createTypeName(descriptor.createType), extents: descriptor.extents },
    refusals: refusals.list,
  };
}

async function inspectSparse(probe: Probe, refusals: Refusals): Promise<Match<"vmdk", VmdkFacts>> {
  if (probe.head.length < HEADER_BYTES) {
    refusals.addTruncated("header", HEADER_BYTES, probe.size);
    return bareMatch("vmdk", refusals.list);
  }
  const header = readVmdkHeader(probe.head);
  const sane = checkVmdkHeader(header, refusals);
  const descriptor = await embeddedDescriptor(header, probe, refusals);
  if (descriptor) checkExtents(descriptor, header, refusals);
  const effective = sane ? effectiveHeader(header, probe, refusals) : undefined;
  if (effective) await checkGrainTables(effective, probe, refusals);
  return {
    format: "vmdk",
    virtualSize: sane ? header.capacity * SECTOR : undefined,
    facts: {
      version: header.version,
      grainSize: header.grain * SECTOR,
      compressed: header.compressed,
      ...(descriptor && { createType: createTypeName(descriptor.createType), extents: descriptor.extents }),
    },
    refusals: refusals.list,
  };
}

async function embeddedDescriptor(
  header: VmdkHeader,
  probe: Probe,
  refusals: Refusals,
): Promise<VmdkDescriptor | undefined> {
  const bytes = header.descriptorSectors * SECTOR;
  if (header.descriptorOffset !== DESCRIPTOR_SECTOR || bytes === 0n) {
    refusals.add("VmdkDescriptorMisplaced", "has no descriptor in its second sector", {
      descriptorOffset: String(header.descriptorOffset),
      descriptorSectors: String(header.descriptorSectors),
    });
    return undefined;
  }
  if (bytes > BigInt(MAX_DESCRIPTOR_BYTES)) {
    refusals.add("VmdkDescriptorTooLarge", `has a descriptor of ${bytes} bytes`, { bytes: String(bytes) });
    return undefined;
  }
  const end = SECTOR + bytes;
  if (end > probe.size) {
    refusals.addTruncated("descriptor", end, probe.size);
    return undefined;
  }
  const text = await probe.read(SECTOR, Number(bytes));
  if (text.at(-1) !== 0) {
    // QEMU reads on until it finds a zero, so there must be one where we stop.
    refusals.add("VmdkDescriptorInvalid", "has a descriptor that does not end");
    return undefined;
  }
  return readDescriptor(text, refusals);
}
