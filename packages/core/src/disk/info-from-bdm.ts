import { LuksmithError } from "../errors/luksmith-error.ts";
import type { BlockDeviceEncryption, DriverBlockDevice } from "./block-device-info.ts";
import { busForDeviceName, busForDeviceType, isDiskBus } from "./bus.ts";
import { nextDeviceName, prependDev, stripDev } from "./device-name.ts";
import type { DeviceType, DiskBus, DiskMapping, MutableMapping } from "./disk-info.ts";
import type { GuestContext } from "./guest-context.ts";

export interface Placement {
  /** The devices that have their names already. */
  readonly mapping?: Readonly<MutableMapping>;
  /** The bus when the block device names none; volumes are given none. */
  readonly bus?: DiskBus;
  /** Names that block devices bring with them, not to be given to others. */
  readonly assigned?: ReadonlySet<string>;
}

/**
 * Where a block device goes: its own bus and name where it has them, else the given bus, else the bus its name
 * suggests, else the default for its type; then the next free name.
 *
 * @throws `TooManyDiskDevices`, `UnsupportedHardware`, `InternalError` as names and buses do
 * @throws `InvalidBDM` when it is encrypted without a format
 */
export function infoFromBdm(
  context: GuestContext,
  bdm: DriverBlockDevice,
  { mapping = {}, bus: defaultBus, assigned = new Set() }: Placement,
): DiskMapping {
  const name = deviceName(bdm);
  const type = deviceType(bdm.device_type);
  const wished = bdm.disk_bus || defaultBus;
  const bus = isDiskBus(wished)
    ? wished
    : name === null
      ? busForDeviceType(context, type)
      : busForDeviceName(name);
  const format = "guest_format" in bdm ? bdm.guest_format : null;
  const bootIndex = "boot_index" in bdm ? bdm.boot_index : null;
  return {
    bus,
    dev: name ?? nextDeviceName(context, bus, mapping, assigned),
    type,
    ...(format ? { format } : {}),
    // Counted from 0 in block devices, from 1 in libvirt.
    ...(bootIndex !== null && bootIndex >= 0 ? { boot_index: String(bootIndex + 1) } : {}),
    ...("encrypted" in bdm ? encryptionKeys(bdm, bdm.uuid) : {}),
  };
}

/**
 * The keys that an encrypted disk adds to its mapping, none for a plain one.
 * @throws `InvalidBDM` when the format is missing: without it libvirt would be told nothing and write in the clear
 */
export function encryptionKeys(encryption: BlockDeviceEncryption, uuid: string): Partial<DiskMapping> {
  if (!encryption.encrypted) return {};
  const { encryption_format: format, encryption_options: options } = encryption;
  if (format === null) {
    throw new LuksmithError(
      "InvalidBDM",
      `block device ${uuid} is to be encrypted but names no format; fill in the default format first`,
      { details: { block_device: uuid } },
    );
  }
  return {
    encrypted: true,
    encryption_secret_uuid: encryption.encryption_secret_uuid,
    encryption_format: format,
    ...(options !== null && Object.keys(options).length > 0
      ? { encryption_options: structuredClone(options) }
      : {}),
  };
}

/** The name a block device has, without `/dev/`. */
export function deviceName(bdm: DriverBlockDevice): string | null {
  const name = "mount_device" in bdm ? bdm.mount_device : bdm.device_name;
  return name ? stripDev(name) : null;
}

/** Records in a block device where it went; a name it had stays. */
export function writeBack(bdm: DriverBlockDevice, info: DiskMapping): void {
  if ("mount_device" in bdm) bdm.mount_device ||= prependDev(info.dev);
  else bdm.device_name ||= prependDev(info.dev);
  bdm.disk_bus = info.bus;
  bdm.device_type = info.type;
}

function deviceType(type: string | null | undefined): DeviceType {
  return type === "cdrom" || type === "floppy" || type === "lun" ? type : "disk";
}
