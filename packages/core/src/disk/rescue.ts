import { LuksmithError } from "../errors/luksmith-error.ts";
import type { BlockDeviceInfo } from "./block-device-info.ts";
import { addConfigDrive } from "./build-mapping.ts";
import { busForDeviceType, isDiskBus } from "./bus.ts";
import { nextDeviceName } from "./device-name.ts";
import type { DeviceType, DiskBus, MutableMapping } from "./disk-info.ts";
import type { GuestContext, GuestImage } from "./guest-context.ts";
import { encryptionKeys } from "./info-from-bdm.ts";

const DEVICE_TYPES = ["disk", "cdrom", "floppy", "lun"] as const satisfies readonly DeviceType[];

/** Whether a rescue image asks to be added behind the instance's own disks, which then keep their names. */
export function isStableRescue(image: GuestImage): boolean {
  return (
    image.properties["hw_rescue_bus"] !== undefined || image.properties["hw_rescue_device"] !== undefined
  );
}

/**
 * The mapping of a guest that boots a rescue disk in place of its own: the rescue disk, the former root disk behind
 * it, and the config drive. Other disks are left out.
 *
 * An encrypted root disk keeps its encryption keys here, which Nova's mapping does not carry: without them the
 * hypervisor would hand the guest, and write for it, raw ciphertext.
 */
export function legacyRescueMapping(
  context: GuestContext,
  bus: DiskBus,
  info: BlockDeviceInfo,
  configDrive: boolean,
): MutableMapping {
  const mapping: MutableMapping = {};
  const rescue = { bus, dev: nextDeviceName(context, bus, mapping), type: "disk", boot_index: "1" } as const;
  mapping["disk.rescue"] = rescue;
  mapping["root"] = rescue;
  const [root] = info.image;
  mapping["disk"] = {
    bus,
    dev: nextDeviceName(context, bus, mapping),
    type: "disk",
    ...(root === undefined ? {} : encryptionKeys(root, root.uuid)),
  };
  if (configDrive) addConfigDrive(context, mapping, "disk.config.rescue");
  return mapping;
}

/**
 * Adds the rescue disk last to an instance's normal mapping.
 * @throws `UnsupportedRescueDevice`, `UnsupportedRescueBus`
 */
export function addStableRescue(context: GuestContext, mapping: MutableMapping, image: GuestImage): void {
  const type = rescueDevice(image);
  const bus = rescueBus(context, image, type);
  mapping["disk.rescue"] = { bus, dev: nextDeviceName(context, bus, mapping), type };
}

/** @throws `UnsupportedRescueDevice` when `hw_rescue_device` is none of disk, cdrom, floppy and lun */
export function rescueDevice(image: GuestImage): DeviceType {
  const wished = image.properties["hw_rescue_device"] ?? "disk";
  const type = DEVICE_TYPES.find((known) => known === wished);
  if (type !== undefined) return type;
  throw new LuksmithError(
    "UnsupportedRescueDevice",
    `the rescue image asks for device type ${wished} (hw_rescue_device); use one of ${DEVICE_TYPES.join(", ")}`,
    { details: { device: wished } },
  );
}

/** @throws `UnsupportedRescueBus` when `hw_rescue_bus` is a bus that guests of this kind do not have */
export function rescueBus(context: GuestContext, image: GuestImage, type: DeviceType): DiskBus {
  const wished = image.properties["hw_rescue_bus"];
  if (wished === undefined) return busForDeviceType({ ...context, image }, type);
  if (isDiskBus(wished)) return wished;
  throw new LuksmithError(
    "UnsupportedRescueBus",
    `the rescue image asks for bus ${wished} (hw_rescue_bus), which ${context.virt_type} guests do not have`,
    { details: { bus: wished, virt_type: context.virt_type } },
  );
}
