import { LuksmithError } from "../errors/luksmith-error.ts";
import type { BlockDeviceInfo } from "./block-device-info.ts";
import { encryptedDisks } from "./block-device-info.ts";
import { buildMapping, type FlavorSpace } from "./build-mapping.ts";
import { busForDeviceType, checkVirtType } from "./bus.ts";
import type { DiskInfo, MutableMapping } from "./disk-info.ts";
import { NO_IMAGE, type DiskConfig, type GuestContext, type GuestImage } from "./guest-context.ts";
import { addStableRescue, isStableRescue, legacyRescueMapping } from "./rescue.ts";

export interface GetDiskInfo {
  /** `kvm` or `qemu`. */
  readonly virt_type: string;
  /** Architecture of the host, for images that do not name one. */
  readonly arch: string;
  /** The instance's own image; null when there is none. */
  readonly image: GuestImage | null;
  readonly flavor: FlavorSpace;
  /** Null stands for an instance without any block devices. */
  readonly block_device_info: BlockDeviceInfo | null;
  readonly config_drive: boolean;
  readonly config: DiskConfig;
  /** Set to map the guest for a rescue from this image. */
  readonly rescue?: { readonly image: GuestImage };
}

export interface DiskInfoResult {
  readonly disk_info: DiskInfo;
  /** A copy of the input in which every block device has the name, bus and type it got. */
  readonly block_device_info: BlockDeviceInfo;
}

/**
 * Places every disk of a guest: bus, device name, type, boot index, and what encrypts it.
 *
 * Pure: the same input gives the same result and is not changed. In a rescue, an image with `hw_rescue_bus` or
 * `hw_rescue_device` is added behind the instance's disks; any other boots in front of the root disk alone, and
 * decides the buses.
 *
 * @throws `UnsupportedVirtType`, `UnsupportedHardware`, `UnsupportedRescueBus`, `UnsupportedRescueDevice`
 * @throws `TooManyDiskDevices` when a bus runs out of names
 * @throws `InvalidBDM` when a disk would lose the encryption asked for
 */
export function getDiskInfo(input: GetDiskInfo): DiskInfoResult {
  checkVirtType(input.virt_type);
  const info = structuredClone(input.block_device_info) ?? noDevices();
  const own = input.image ?? NO_IMAGE;
  const rescue = input.rescue?.image;
  const legacyRescue = rescue !== undefined && !isStableRescue(rescue);
  const context: GuestContext = {
    virt_type: input.virt_type,
    arch: input.arch,
    image: legacyRescue ? rescue : own,
    config: input.config,
  };
  const buses = {
    disk_bus: busForDeviceType(context, "disk"),
    cdrom_bus: busForDeviceType(context, "cdrom"),
  };
  if (legacyRescue) {
    const mapping = legacyRescueMapping(context, buses.disk_bus, info, input.config_drive);
    return { disk_info: { ...buses, mapping }, block_device_info: info };
  }
  const mapping = buildMapping(context, info, buses, input.flavor, input.config_drive);
  checkNothingPlain(mapping, info);
  if (rescue !== undefined) addStableRescue(context, mapping, rescue);
  return { disk_info: { ...buses, mapping }, block_device_info: info };
}

/** A disk that the flavor implies but no block device stands for has nowhere to say that it is encrypted. */
function checkNothingPlain(mapping: MutableMapping, info: BlockDeviceInfo): void {
  if (encryptedDisks(info).length === 0) return;
  const plain = Object.keys(mapping).filter((name) => isLocalDisk(name) && mapping[name]?.encrypted !== true);
  if (plain.length === 0) return;
  throw new LuksmithError(
    "InvalidBDM",
    `the instance's disks are encrypted, but ${plain.join(", ")} would not be; give it a block device of its own`,
    { details: { disks: plain } },
  );
}

function isLocalDisk(name: string): boolean {
  return /^disk(\.local|\.swap|\.eph\d+)?$/.test(name);
}

function noDevices(): BlockDeviceInfo {
  return { root_device_name: null, image: [], ephemerals: [], swap: null, block_device_mapping: [] };
}
