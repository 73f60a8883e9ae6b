import { arch } from "node:os";
import { NO_IMAGE } from "../../disk/guest-context.ts";
import type { DiskInfo } from "../../disk/disk-info.ts";
import { legacyRescueMapping } from "../../disk/rescue.ts";
import type { HostConfig } from "../../config/host-config.ts";
import type { Hypervisor } from "../../guest/hypervisor.ts";
import type { InstanceRecord } from "../../journal/inventory.ts";
import type { FoundGuest } from "./find-guest.ts";

/** Nova's name of the disk that a rescued guest boots from. */
export const RESCUE_DISK = "disk.rescue";
const ROOT_DISK = "disk";

/** What a guest's next start takes: its own disks, or in a rescue the rescue disk and its root disk behind it. */
export function definitionNow(hypervisor: Hypervisor, found: FoundGuest, config: HostConfig): string {
  const { instance, guest } = found;
  if (!guest.rescued) return hypervisor.redescribe(guest.definition, instance, config);
  const shown = instance.disks.filter(({ name }) => name === RESCUE_DISK || name === ROOT_DISK);
  const view = { ...instance, disks: shown, diskInfo: rescueInfo(instance, config) };
  return hypervisor.redescribe(guest.definition, view, config, instance.disks);
}

/** Bus and names in a rescue, on the bus that the root disk has. */
export function rescueInfo(
  { diskInfo, blockDeviceInfo }: Pick<InstanceRecord, "diskInfo" | "blockDeviceInfo">,
  config: HostConfig,
): DiskInfo {
  const context = {
    virt_type: config.libvirt.virt_type,
    arch: arch(),
    image: NO_IMAGE,
    config: { disk_prefix: config.libvirt.disk_prefix ?? "" },
  };
  const bus = diskInfo.mapping[ROOT_DISK]?.bus ?? diskInfo.disk_bus;
  return { ...diskInfo, mapping: legacyRescueMapping(context, bus, blockDeviceInfo, false) };
}
