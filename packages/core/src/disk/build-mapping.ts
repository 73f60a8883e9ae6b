import type { BlockDeviceInfo } from "./block-device-info.ts";
import { busForDeviceType } from "./bus.ts";
import { nextDeviceName, prependDev, stripDev } from "./device-name.ts";
import type { DeviceType, DiskBus, MutableMapping } from "./disk-info.ts";
import type { GuestContext } from "./guest-context.ts";
import { deviceName, infoFromBdm, writeBack } from "./info-from-bdm.ts";
import { findRoot, rootInfo, type GuestBuses } from "./root-info.ts";

/** The flavor's blank space, used where no block device stands for it. */
export interface FlavorSpace {
  /** GiB. */
  readonly ephemeral: number;
  /** MiB. */
  readonly swap: number;
}

/**
 * The whole mapping of a guest in its normal state. Writes names, buses and types back into `info`.
 *
 * The order of allocation and what each step looks at are Nova's, oddities included, because an existing guest must
 * find its disks where it left them: the flavor's own ephemeral and swap disks are left out, not moved, when the next
 * free name belongs to somebody else; a swap block device does not look at names that others bring; a volume without
 * a bus gets one from its name.
 */
export function buildMapping(
  context: GuestContext,
  info: BlockDeviceInfo,
  buses: GuestBuses,
  flavor: FlavorSpace,
  configDrive: boolean,
): MutableMapping {
  const mapping: MutableMapping = {};
  const assigned = assignedNames(info);
  const bus = buses.disk_bus;

  const root = findRoot(info);
  const rootDisk = rootInfo(context, root, buses, info.root_device_name);
  mapping["root"] = rootDisk;
  if (root !== undefined) writeBack(root, rootDisk);
  if (info.image.length > 0 || root === undefined) mapping["disk"] = rootDisk;

  if (flavor.ephemeral > 0 && info.ephemerals.length === 0) {
    addUnlessTaken(mapping, "disk.local", bus, nextDeviceName(context, bus, mapping), info);
  }
  for (const [index, ephemeral] of info.ephemerals.entries()) {
    const disk = infoFromBdm(context, ephemeral, { mapping, bus, assigned });
    mapping[`disk.eph${index}`] = disk;
    writeBack(ephemeral, disk);
  }
  if (info.swap !== null && info.swap.swap_size > 0) {
    const disk = infoFromBdm(context, info.swap, { mapping, bus });
    mapping["disk.swap"] = disk;
    writeBack(info.swap, disk);
  } else if (flavor.swap > 0) {
    addUnlessTaken(mapping, "disk.swap", bus, nextDeviceName(context, bus, mapping, assigned), info);
  }
  for (const volume of info.block_device_mapping) {
    const disk = infoFromBdm(context, volume, { mapping, assigned });
    mapping[prependDev(disk.dev)] = disk;
    writeBack(volume, disk);
  }
  if (configDrive) addConfigDrive(context, mapping, "disk.config");
  return mapping;
}

/** Adds the config drive, on the bus of its own kind of device, after everything else. */
export function addConfigDrive(
  context: GuestContext,
  mapping: MutableMapping,
  key: "disk.config" | "disk.config.rescue",
): void {
  const type: DeviceType = context.config.config_drive_format === "vfat" ? "disk" : "cdrom";
  const bus = busForDeviceType(context, type);
  mapping[key] = { bus, dev: nextDeviceName(context, bus, mapping), type };
}

function assignedNames(info: BlockDeviceInfo): ReadonlySet<string> {
  const devices = [
    ...info.image,
    ...info.ephemerals,
    ...(info.swap === null ? [] : [info.swap]),
    ...info.block_device_mapping,
  ];
  return new Set(devices.map(deviceName).filter((name) => name !== null));
}

function addUnlessTaken(
  mapping: MutableMapping,
  key: "disk.local" | "disk.swap",
  bus: DiskBus,
  dev: string,
  info: BlockDeviceInfo,
): void {
  if (!blankOrVolumeNames(info).includes(dev)) mapping[key] = { bus, dev, type: "disk" };
}

/** Names of volumes, ephemerals and a usable swap; the root's is not among them. */
function blankOrVolumeNames(info: BlockDeviceInfo): readonly string[] {
  const swap = info.swap !== null && info.swap.swap_size > 0 ? info.swap.device_name : null;
  return [
    ...info.block_device_mapping.map((volume) => volume.mount_device),
    swap,
    ...info.ephemerals.map((ephemeral) => ephemeral.device_name),
  ]
    .filter((name) => name !== null)
    .map(stripDev);
}
