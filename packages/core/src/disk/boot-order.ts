import type { DeviceType, DiskInfo } from "./disk-info.ts";

/** Device kinds as libvirt's `<boot dev=…>` names them. */
export type BootDevice = "hd" | "cdrom" | "fd";

const BOOT_DEVICES: Readonly<Record<DeviceType, BootDevice>> = {
  disk: "hd",
  lun: "hd",
  cdrom: "cdrom",
  floppy: "fd",
};

/**
 * The kinds of devices to boot from, first choice first, each once. Boot indexes are compared as text, as Nova does:
 * "10" comes before "2".
 */
export function getBootOrder(disk_info: DiskInfo): readonly BootDevice[] {
  const bootable = Object.entries(disk_info.mapping).flatMap(([name, { boot_index, type }]) =>
    name === "root" || boot_index === undefined ? [] : [{ boot_index, type }],
  );
  bootable.sort((a, b) => (a.boot_index < b.boot_index ? -1 : Number(a.boot_index > b.boot_index)));
  return [...new Set(bootable.map((disk) => BOOT_DEVICES[disk.type]))];
}
