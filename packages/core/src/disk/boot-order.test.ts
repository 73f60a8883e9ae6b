import { expect, test } from "vitest";
import { getBootOrder } from "./boot-order.ts";
import type { DeviceType, DiskMapping } from "./disk-info.ts";

function bootable(type: DeviceType, boot_index?: string): DiskMapping {
  return { bus: "virtio", dev: "vda", type, ...(boot_index === undefined ? {} : { boot_index }) };
}

test.each<{ name: string; mapping: Record<string, DiskMapping>; order: readonly string[] }>([
  {
    name: "a root disk is named once",
    mapping: { disk: bootable("disk", "1"), root: bootable("disk", "1") },
    order: ["hd"],
  },
  {
    name: "three kinds",
    mapping: {
      disk: bootable("disk", "1"),
      "/dev/hda": bootable("cdrom", "3"),
      "/dev/fda": bootable("floppy", "2"),
      "disk.eph0": bootable("disk"),
      root: bootable("disk", "1"),
    },
    order: ["hd", "fd", "cdrom"],
  },
  {
    name: "two disks are one kind",
    mapping: {
      "/dev/vda": bootable("disk", "1"),
      "/dev/vdb": bootable("disk", "2"),
      "/dev/vdc": bootable("cdrom", "3"),
      root: bootable("disk", "1"),
    },
    order: ["hd", "cdrom"],
  },
  {
    name: "a lun boots like a disk",
    mapping: { disk: bootable("lun", "1"), root: bootable("lun", "1") },
    order: ["hd"],
  },
  { name: "root alone does not count", mapping: { root: bootable("disk", "1") }, order: [] },
  {
    name: "indexes compare as text",
    mapping: { "/dev/a": bootable("disk", "2"), "/dev/b": bootable("cdrom", "10") },
    order: ["cdrom", "hd"],
  },
])("$name", ({ mapping, order }) => {
  expect(getBootOrder({ disk_bus: "virtio", cdrom_bus: "ide", mapping })).toEqual(order);
});
