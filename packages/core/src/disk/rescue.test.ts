import { expect, test } from "vitest";
import { brief, devices, ephemeral, guest, image, swap, volume } from "./__fixtures__/devices.ts";
import { getDiskInfo, type GetDiskInfo } from "./get-disk-info.ts";
import type { GuestContext } from "./guest-context.ts";
import { rescueBus, rescueDevice } from "./rescue.ts";

const ROOT = "virtio vda disk boot 1";
const LEGACY = { image: { disk_format: "raw", properties: {} } };
const PARTS = {
  swap: swap({ device_name: "/dev/vdb", swap_size: 1 }),
  ephemerals: [
    ephemeral({ device_type: "disk", guest_format: "ext4", device_name: "/dev/vdc1" }),
    ephemeral({ disk_bus: "ide", device_name: "/dev/vdd" }),
  ],
  block_device_mapping: [volume({ mount_device: "/dev/sde" }), volume({ mount_device: "/dev/sdf" })],
};

function rescued(properties: Readonly<Record<string, string>>, over: Partial<GetDiskInfo>) {
  return brief(
    getDiskInfo(guest({ ...over, rescue: { image: { disk_format: "raw", properties } } })).disk_info,
  );
}

function rootAnd(parts: Partial<typeof PARTS>) {
  return devices({ root_device_name: "/dev/vda", image: [image()], ...parts });
}

test("a legacy rescue boots the rescue disk in front of the root disk", () => {
  const input = guest({ block_device_info: rootAnd(PARTS), rescue: LEGACY });
  expect(brief(getDiskInfo(input).disk_info)).toEqual({
    root: ROOT,
    "disk.rescue": ROOT,
    disk: "virtio vdb disk",
  });
});

test.each([
  ["x86_64", "ide hda cdrom"],
  ["aarch64", "scsi sda cdrom"],
])("a legacy rescue on %s keeps the config drive: %s", (arch, drive) => {
  const input = guest({ arch, config_drive: true, rescue: LEGACY });
  expect(brief(getDiskInfo(input).disk_info)).toEqual({
    root: ROOT,
    "disk.rescue": ROOT,
    disk: "virtio vdb disk",
    "disk.config.rescue": drive,
  });
});

test("a legacy rescue takes its buses from the rescue image", () => {
  const rescue = { image: { properties: { hw_disk_bus: "scsi" } } };
  const { disk_info } = getDiskInfo(guest({ block_device_info: rootAnd({}), rescue }));
  expect(brief(disk_info)["disk.rescue"]).toBe("scsi sda disk boot 1");
});

test("a legacy rescue keeps the encryption of the root disk", () => {
  const block_device_info = devices({
    image: [image({ encrypted: true, encryption_format: "luks", encryption_secret_uuid: "s" })],
  });
  const { mapping } = getDiskInfo(guest({ block_device_info, rescue: LEGACY })).disk_info;
  expect(mapping["disk"]).toMatchObject({
    encrypted: true,
    encryption_format: "luks",
    encryption_secret_uuid: "s",
  });
  expect(mapping["disk.rescue"]).not.toHaveProperty("encrypted");
});

const NO_LOCAL = { ephemeral: 0, swap: 0 };

test.each<{ properties: Record<string, string>; rescue: string }>([
  { properties: { hw_rescue_bus: "virtio" }, rescue: "virtio vdb disk" },
  { properties: { hw_rescue_bus: "ide" }, rescue: "ide hda disk" },
  { properties: { hw_rescue_bus: "usb" }, rescue: "usb sda disk" },
  { properties: { hw_rescue_device: "cdrom" }, rescue: "ide hda cdrom" },
])("a stable rescue adds $rescue last", ({ properties, rescue }) => {
  expect(rescued(properties, { flavor: NO_LOCAL, block_device_info: rootAnd({}) })).toEqual({
    root: ROOT,
    disk: ROOT,
    "disk.rescue": rescue,
  });
});

test.each<{ name: string; local: boolean; parts: Partial<typeof PARTS>; others: Record<string, string> }>([
  {
    name: "the flavor's ephemeral disk",
    local: true,
    parts: {},
    others: { "disk.local": "virtio vdb disk", "disk.rescue": "virtio vdc disk" },
  },
  {
    name: "ephemerals",
    local: true,
    parts: { ephemerals: PARTS.ephemerals },
    others: {
      "disk.eph0": "virtio vdc1 disk as ext4",
      "disk.eph1": "ide vdd disk",
      "disk.rescue": "virtio vdb disk",
    },
  },
  {
    name: "swap",
    local: false,
    parts: { swap: PARTS.swap },
    others: { "disk.swap": "virtio vdb disk", "disk.rescue": "virtio vdc disk" },
  },
  {
    name: "volumes",
    local: false,
    parts: { block_device_mapping: PARTS.block_device_mapping },
    others: {
      "/dev/sde": "scsi sde disk",
      "/dev/sdf": "scsi sdf disk",
      "disk.rescue": "virtio vdb disk",
    },
  },
  {
    name: "all of them",
    local: true,
    parts: PARTS,
    others: {
      "/dev/sde": "scsi sde disk",
      "/dev/sdf": "scsi sdf disk",
      "disk.eph0": "virtio vdc1 disk as ext4",
      "disk.eph1": "ide vdd disk",
      "disk.swap": "virtio vdb disk",
      "disk.rescue": "virtio vdc disk",
    },
  },
])("a stable rescue leaves $name alone", ({ local, parts, others }) => {
  const flavor = { ephemeral: local ? 20 : 0, swap: 0 };
  const mapping = rescued({ hw_rescue_bus: "virtio" }, { flavor, block_device_info: rootAnd(parts) });
  expect(mapping).toEqual({ root: ROOT, disk: ROOT, ...others });
});

const CONTEXT: GuestContext = { virt_type: "kvm", arch: "x86_64", image: { properties: {} }, config: {} };

test.each(["disk", "cdrom", "floppy", "lun"])("rescue device %s is supported", (device) => {
  expect(rescueDevice({ properties: { hw_rescue_device: device } })).toBe(device);
});

test("a rescue device is a disk unless said, and never a file system", () => {
  expect(rescueDevice({ properties: { hw_rescue_bus: "virtio" } })).toBe("disk");
  expect(() => rescueDevice({ properties: { hw_rescue_device: "fs" } })).toThrow(
    expect.objectContaining({ code: "UnsupportedRescueDevice" }),
  );
});

test.each(["virtio", "scsi", "ide", "usb", "fdc", "sata"])("rescue bus %s is supported", (bus) => {
  expect(rescueBus(CONTEXT, { properties: { hw_rescue_bus: bus } }, "disk")).toBe(bus);
});

test("rescue bus xen is not", () => {
  expect(() => rescueBus(CONTEXT, { properties: { hw_rescue_bus: "xen" } }, "disk")).toThrow(
    expect.objectContaining({ code: "UnsupportedRescueBus" }),
  );
});
