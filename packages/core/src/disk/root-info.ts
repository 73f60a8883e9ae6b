import type {
  BlockDeviceInfo,
  DriverImageBlockDevice,
  DriverVolumeBlockDevice,
} from "./block-device-info.ts";
import { nextDeviceName, stripDev } from "./device-name.ts";
import type { DiskBus, DiskMapping } from "./disk-info.ts";
import type { GuestContext } from "./guest-context.ts";
import { infoFromBdm } from "./info-from-bdm.ts";

export interface GuestBuses {
  readonly disk_bus: DiskBus;
  readonly cdrom_bus: DiskBus;
}

export type RootDevice = DriverImageBlockDevice | DriverVolumeBlockDevice;

/** The image's disk when there is one, else the first volume with boot index 0. */
export function findRoot(info: BlockDeviceInfo): RootDevice | undefined {
  return info.image[0] ?? info.block_device_mapping.find((bdm) => bdm.boot_index === 0);
}

/**
 * Where the root disk goes. An ISO image makes it a CD-ROM on the CD-ROM bus. A root name given for the instance is
 * taken as it is, also where it does not suit the bus.
 */
export function rootInfo(
  context: GuestContext,
  root: RootDevice | undefined,
  buses: GuestBuses,
  rootDeviceName: string | null,
): DiskMapping {
  const iso = context.image.disk_format === "iso";
  const bus = iso ? buses.cdrom_bus : buses.disk_bus;
  const type = iso ? "cdrom" : "disk";
  const name = rootDeviceName ? stripDev(rootDeviceName) : null;
  if (root === undefined) {
    return { bus, dev: name ?? nextDeviceName(context, bus, {}), type, boot_index: "1" };
  }
  return infoFromBdm(context, named(iso ? { ...root, disk_bus: bus, device_type: type } : root, name), {
    bus: buses.disk_bus,
  });
}

function named(root: RootDevice, name: string | null): RootDevice {
  return "mount_device" in root
    ? { ...root, mount_device: root.mount_device || name }
    : { ...root, device_name: root.device_name || name };
}
