import { printable } from "./printable.ts";
import type { Refusals } from "./refusal.ts";
import type { VmdkDescriptor } from "./vmdk-descriptor.ts";
import type { VmdkHeader } from "./vmdk-header.ts";

/** Create types as VMware writes them; descriptors may use any case. */
const CREATE_TYPES: readonly string[] = [
  "monolithicSparse",
  "streamOptimized",
  "monolithicFlat",
  "twoGbMaxExtentSparse",
  "twoGbMaxExtentFlat",
  "vmfs",
  "vmfsSparse",
  "vmfsThin",
  "seSparse",
  "custom",
  "fullDevice",
  "partitionedDevice",
  "vmfsRaw",
  "vmfsRawDeviceMap",
  "vmfsPassthroughRawDeviceMap",
  "2GbMaxExtentSparse",
  "2GbMaxExtentFlat",
];

/** The create type in VMware's spelling; unknown ones stay as they are. */
export function createTypeName(lowerCase: string): string {
  return CREATE_TYPES.find((name) => name.toLowerCase() === lowerCase) ?? lowerCase;
}

/**
 * Extents are where VMDK reaches other files: a name with a path, several extents, or one that is not this file.
 * @param header of the sparse extent that holds the descriptor; absent for a descriptor alone
 */
export function checkExtents(
  { createType, extents }: VmdkDescriptor,
  header: VmdkHeader | undefined,
  refusals: Refusals,
): void {
  const outside = extents.find(({ file }) => /[/\\:]|^\.\.?$/u.test(file));
  if (outside) {
    const file = printable(outside.file);
    refusals.add("VmdkExtentPath", `has an extent with a path (${file})`, { file });
    return;
  }
  const [extent] = extents;
  if (extents.length !== 1 || !extent) {
    const what = `has ${extents.length} extents; export it as streamOptimized, in one file`;
    refusals.add("VmdkExtents", what, { extents: extents.length });
    return;
  }
  if (!header) {
    const file = printable(extent.file);
    const what = `keeps its data in another file (${file}); export it as streamOptimized`;
    refusals.add("VmdkExternalExtent", what, { file, createType: createTypeName(createType) });
    return;
  }
  const fault = mismatch(createType, extent, header);
  if (fault !== undefined) {
    refusals.add("VmdkDescriptorMismatch", `has a descriptor that contradicts its header: ${fault}`, {
      fault,
    });
  }
}

function mismatch(
  createType: string,
  extent: VmdkDescriptor["extents"][number],
  header: VmdkHeader,
): string | undefined {
  if (extent.type !== "sparse") return `the extent is ${printable(extent.type)}, not sparse`;
  if (extent.access === "noaccess") return "the extent is not accessible";
  if (extent.sectors !== header.capacity) {
    return `the extent has ${extent.sectors} sectors, the header ${header.capacity}`;
  }
  if ((createType === "streamoptimized") !== header.compressed) {
    return `${createTypeName(createType)} and compression do not go together`;
  }
  return undefined;
}
