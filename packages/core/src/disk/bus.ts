import { LuksmithError } from "../errors/luksmith-error.ts";
import type { DeviceType, DiskBus } from "./disk-info.ts";
import { guestArch, machineType, type GuestContext } from "./guest-context.ts";

const BUSES = ["virtio", "scsi", "ide", "usb", "fdc", "sata"] as const satisfies readonly DiskBus[];
const VIRT_TYPES = new Set(["kvm", "qemu"]);
/** Architectures whose machines have no ide or sata controller for a CD-ROM. */
const SCSI_CDROM = new Set(["ppc", "ppc64", "ppcle", "ppc64le", "s390", "s390x", "aarch64"]);

/** @throws `UnsupportedVirtType` for anything but kvm and qemu */
export function checkVirtType(virtType: string): void {
  if (VIRT_TYPES.has(virtType)) return;
  throw new LuksmithError(
    "UnsupportedVirtType",
    `virt_type ${virtType} is not supported; set [libvirt] virt_type to kvm or qemu`,
    { details: { virt_type: virtType } },
  );
}

/** Whether kvm and qemu guests know the bus. Machine types are not considered: ide on q35 passes here. */
export function isDiskBus(bus: unknown): bus is DiskBus {
  return BUSES.some((known) => known === bus);
}

/**
 * The bus for a device of this type: what the image says, else the hypervisor's default for the architecture and
 * machine type.
 *
 * Nova also asks libosinfo by the image's `os_distro` before it takes the default for disks. That database is not
 * used here; where it names a virtio device the default is the same.
 *
 * @throws `UnsupportedHardware` when the image names a bus that kvm and qemu guests do not have
 * @throws `InvalidBDM` for a `lun` that comes without a bus: there is no default
 */
export function busForDeviceType(context: GuestContext, type: DeviceType): DiskBus {
  const property = `hw_${type}_bus`;
  const fromImage = context.image.properties[property];
  if (fromImage !== undefined) return imageBus(fromImage, property, context.virt_type);
  switch (type) {
    case "disk":
      return "virtio";
    case "floppy":
      return "fdc";
    case "cdrom":
      return cdromBus(context);
    case "lun":
      break;
  }
  throw new LuksmithError(
    "InvalidBDM",
    `a block device of type ${type} has no default bus; set its disk_bus to scsi or virtio`,
    { details: { device_type: type } },
  );
}

function cdromBus(context: GuestContext): DiskBus {
  if (SCSI_CDROM.has(guestArch(context))) return "scsi";
  // Releases and distributions have q35 machine types of their own, all with "q35" in the name and without ide.
  return machineType(context)?.includes("q35") ? "sata" : "ide";
}

function imageBus(bus: string, property: string, virtType: string): DiskBus {
  if (isDiskBus(bus)) return bus;
  throw new LuksmithError(
    "UnsupportedHardware",
    `the image asks for bus ${bus} (${property}), which ${virtType} guests do not have; use one of ${BUSES.join(", ")}`,
    { details: { model: bus, virt_type: virtType, property } },
  );
}

/**
 * The likeliest bus behind a device name; `sd` could be several and is taken for scsi.
 * @throws `InternalError` for names of no known kind
 */
export function busForDeviceName(dev: string): DiskBus {
  switch (dev.slice(0, 2)) {
    case "hd":
      return "ide";
    case "sd":
      return "scsi";
    case "vd":
      return "virtio";
    case "fd":
      return "fdc";
    default:
      throw new LuksmithError(
        "InternalError",
        `the bus of device ${dev} cannot be told from its name; give the block device a disk_bus`,
        { details: { dev } },
      );
  }
}
