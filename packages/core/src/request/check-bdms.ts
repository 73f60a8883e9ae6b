import type { BdmDocument } from "./bdm-schema.ts";
import { isEphemeral, isSwap, withImpliedRoot } from "./bdm-kinds.ts";
import type { BlockDeviceMappingV2, InstanceRequest } from "./instance-request.ts";
import { jsonPath, type Problem } from "./problems.ts";

const BUSES = ["fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml"];
const LIST = "block_device_mapping_v2";

type Report = (key: string, message: string) => void;

/** What Nova's API checks in each entry, plus the combinations it lets through and then loses. */
export function checkEntries(entries: readonly BdmDocument[], imageId: string | null): Problem[] {
  const problems: Problem[] = [];
  for (const [index, bdm] of entries.entries()) {
    if (bdm.no_device) continue;
    checkEntry(bdm, imageId, (key, message) => {
      problems.push({ code: "InvalidBDM", path: jsonPath([LIST, index, key]), message });
    });
  }
  return problems;
}

function checkEntry(bdm: BdmDocument, imageId: string | null, report: Report): void {
  const { source_type: source, uuid } = bdm;
  const destination = bdm.destination_type ?? "volume";
  if (source === null || source === undefined) {
    report("source_type", "is missing; use volume, image, snapshot or blank");
    return;
  }
  if (source === "blank" && uuid) report("uuid", "a blank device has no uuid; remove it");
  if (source !== "blank" && !uuid) report("uuid", `is missing; name the ${source} to use`);
  if (destination === "local") checkLocal(bdm, imageId, report);
  else if ((source === "image" || source === "blank") && !bdm.volume_size) {
    report("volume_size", `is missing; a volume made from source ${source} needs a size in GiB`);
  }
  if (bdm.volume_type && destination === "local") report("volume_type", "a local disk has no volume type");
  if (bdm.volume_type && source === "volume")
    report("volume_type", "an existing volume has its type already");
  if (bdm.disk_bus && !BUSES.includes(bdm.disk_bus)) {
    report("disk_bus", `${bdm.disk_bus} is not a bus; use one of ${BUSES.join(", ")}`);
  }
}

function checkLocal(bdm: BdmDocument, imageId: string | null, report: Report): void {
  const { source_type: source } = bdm;
  if (source === "volume" || source === "snapshot") {
    report("destination_type", `a ${source} cannot become a local disk; use destination_type volume`);
  }
  if (source === "image" && (imageId === null || bdm.boot_index !== 0)) {
    report("destination_type", "only the image that the server boots can become a local disk (boot_index 0)");
  }
  if (source === "image" && imageId !== null && bdm.uuid && bdm.uuid !== imageId) {
    report("uuid", `the root disk's image is ${imageId}; name that one`);
  }
  if (source === "blank" && bdm.boot_index === 0) {
    report("boot_index", "a blank local disk cannot be booted; give boot_index 0 to an image or a volume");
  }
}

/** What must hold for the list as a whole: the boot sequence, and that local disks fit the flavor. */
export function checkList(request: InstanceRequest): Problem[] {
  const { flavor } = request.server;
  const mappings = withImpliedRoot(request.block_device_mapping_v2, request.image);
  const problems: Problem[] = [];
  const report = (message: string) => problems.push({ code: "InvalidBDM", path: jsonPath([LIST]), message });

  const order = bootSequenceProblem(mappings);
  if (order !== undefined) report(order);
  const ephemeral = mappings
    .filter(isEphemeral)
    .reduce((sum, bdm) => sum + (bdm.volume_size ?? flavor.ephemeral), 0);
  if (ephemeral > flavor.ephemeral) {
    report(`the ephemeral disks take ${ephemeral} GiB together, the flavor has ${flavor.ephemeral} GiB`);
  }
  const swaps = mappings.filter(isSwap);
  if (swaps.length > 1) report(`there are ${swaps.length} swap disks; a server has at most one`);
  const swap = Math.max(0, ...swaps.map((bdm) => bdm.volume_size ?? 0));
  if (swap > flavor.swap) report(`the swap disk takes ${swap} MiB, the flavor has ${flavor.swap} MiB`);
  return problems;
}

/** Boot indexes start at 0 and leave no gaps; exactly one device has each. */
function bootSequenceProblem(mappings: readonly BlockDeviceMappingV2[]): string | undefined {
  const indexes = mappings.flatMap(({ boot_index }) =>
    boot_index !== null && boot_index >= 0 ? [boot_index] : [],
  );
  if (indexes.length === 0) {
    return "nothing can be booted: give an image, or a device with boot_index 0";
  }
  indexes.sort((a, b) => a - b);
  if (indexes.every((value, place) => value === place)) return undefined;
  return `boot indexes must be 0, 1, 2, … without gaps or repeats, but are ${indexes.join(", ")}`;
}
