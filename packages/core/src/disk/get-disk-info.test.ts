import { expect, test } from "vitest";
import { brief, devices, ephemeral, guest, image, swap, volume } from "./__fixtures__/devices.ts";
import { getDiskInfo, type GetDiskInfo } from "./get-disk-info.ts";

const ROOT = "virtio vda disk boot 1";
const IMAGE = devices({ image: [image()] });

/** The facts of Nova's `test_blockinfo.py`, kvm cases. */
const CASES: readonly {
  name: string;
  input: Partial<GetDiskInfo>;
  mapping: Readonly<Record<string, string>>;
}[] = [
  {
    name: "an image and the flavor's ephemeral space",
    input: { block_device_info: IMAGE },
    mapping: { root: ROOT, disk: ROOT, "disk.local": "virtio vdb disk" },
  },
  {
    name: "a root name that does not suit the bus is taken as it is",
    input: { block_device_info: devices({ root_device_name: "/dev/sda", image: [image()] }) },
    mapping: {
      root: "virtio sda disk boot 1",
      disk: "virtio sda disk boot 1",
      "disk.local": "virtio vda disk",
    },
  },
  {
    name: "an ISO without block devices",
    input: { image: { disk_format: "iso", properties: {} } },
    mapping: {
      root: "ide hda cdrom boot 1",
      disk: "ide hda cdrom boot 1",
      "disk.local": "virtio vda disk",
    },
  },
  {
    name: "an ISO with a block device moves it to the CD-ROM bus",
    input: { image: { disk_format: "iso", properties: {} }, block_device_info: IMAGE },
    mapping: {
      root: "ide hda cdrom boot 1",
      disk: "ide hda cdrom boot 1",
      "disk.local": "virtio vda disk",
    },
  },
  {
    name: "the flavor's swap comes after its ephemeral space",
    input: { flavor: { ephemeral: 20, swap: 5 }, block_device_info: IMAGE },
    mapping: { root: ROOT, disk: ROOT, "disk.local": "virtio vdb disk", "disk.swap": "virtio vdc disk" },
  },
  {
    name: "the flavor's swap goes behind the volumes",
    input: {
      image: null,
      flavor: { ephemeral: 0, swap: 5 },
      block_device_info: devices({
        root_device_name: "/dev/vda",
        block_device_mapping: [
          volume({ mount_device: "/dev/vdb" }),
          volume({ boot_index: 0, mount_device: "/dev/vda", disk_bus: "virtio", device_type: "disk" }),
        ],
      }),
    },
    mapping: {
      root: ROOT,
      "/dev/vda": ROOT,
      "/dev/vdb": "virtio vdb disk",
      "disk.swap": "virtio vdc disk",
    },
  },
  {
    name: "ephemerals of many kinds push the flavor's swap back",
    input: {
      flavor: { ephemeral: 20, swap: 5 },
      block_device_info: devices({
        image: [image()],
        ephemerals: [
          ephemeral({ device_type: "disk", guest_format: "ext4", device_name: "/dev/vdb" }),
          ephemeral({ disk_bus: "ide", device_name: "/dev/vdc" }),
          ephemeral({ device_type: "floppy", device_name: "/dev/vdd" }),
        ],
      }),
    },
    mapping: {
      root: ROOT,
      disk: ROOT,
      "disk.eph0": "virtio vdb disk as ext4",
      "disk.eph1": "ide vdc disk",
      "disk.eph2": "virtio vdd floppy",
      "disk.swap": "virtio vde disk",
    },
  },
  {
    name: "a swap at vdb drops the flavor's ephemeral disk",
    input: {
      block_device_info: devices({ swap: swap({ device_name: "/dev/vdb" }), image: [image()] }),
    },
    mapping: { root: ROOT, disk: ROOT, "disk.swap": "virtio vdb disk" },
  },
  {
    name: "a volume as root",
    input: {
      block_device_info: devices({
        block_device_mapping: [volume({ mount_device: "/dev/vda", boot_index: 0, device_type: "disk" })],
      }),
    },
    mapping: { root: ROOT, "/dev/vda": ROOT, "disk.local": "virtio vdb disk" },
  },
  {
    name: "a volume as root before anything is named",
    input: {
      image: null,
      block_device_info: devices({ block_device_mapping: [volume({ boot_index: 0 })] }),
    },
    mapping: { root: ROOT, "/dev/vda": ROOT, "disk.local": "virtio vdb disk" },
  },
  {
    name: "a volume at vdb drops the flavor's ephemeral disk",
    input: {
      block_device_info: devices({
        block_device_mapping: [volume({ mount_device: "/dev/vdb", boot_index: -1 })],
      }),
    },
    mapping: { root: ROOT, disk: ROOT, "/dev/vdb": "virtio vdb disk" },
  },
  {
    name: "volumes for everything, one on a bus of its own",
    input: {
      block_device_info: devices({
        block_device_mapping: [
          volume({ mount_device: "/dev/vda", boot_index: 0, disk_bus: "scsi" }),
          volume({ mount_device: "/dev/vdb", boot_index: -1 }),
          volume({ mount_device: "/dev/vdc", boot_index: -1, device_type: "cdrom" }),
        ],
      }),
    },
    mapping: {
      root: "scsi vda disk boot 1",
      "/dev/vda": "scsi vda disk boot 1",
      "/dev/vdb": "virtio vdb disk",
      "/dev/vdc": "virtio vdc cdrom",
    },
  },
  {
    name: "everything named, in no order",
    input: {
      block_device_info: devices({
        root_device_name: "/dev/vdf",
        swap: swap({ device_name: "/dev/vdy" }),
        image: [image()],
        ephemerals: [
          ephemeral({ device_type: "disk", guest_format: "ext4", device_name: "/dev/vdb" }),
          ephemeral({ disk_bus: "ide", device_name: "/dev/vdc" }),
        ],
        block_device_mapping: [volume({ mount_device: "/dev/vda", boot_index: 1 })],
      }),
    },
    mapping: {
      root: "virtio vdf disk boot 1",
      disk: "virtio vdf disk boot 1",
      "/dev/vda": "virtio vda disk boot 2",
      "disk.eph0": "virtio vdb disk as ext4",
      "disk.eph1": "ide vdc disk",
      "disk.swap": "virtio vdy disk",
    },
  },
];

test.each(CASES)("$name", ({ input, mapping }) => {
  expect(brief(getDiskInfo(guest(input)).disk_info)).toEqual(mapping);
});

test.each([
  ["x86_64", "ide hda cdrom"],
  ["ppc64", "scsi sda cdrom"],
  ["aarch64", "scsi sda cdrom"],
])("a config drive on %s is a CD-ROM: %s", (arch, drive) => {
  const { disk_info } = getDiskInfo(guest({ arch, block_device_info: IMAGE, config_drive: true }));
  expect(brief(disk_info)).toEqual({
    root: ROOT,
    disk: ROOT,
    "disk.local": "virtio vdb disk",
    "disk.config": drive,
  });
});

test("a vfat config drive is a disk and comes last", () => {
  const config = { config_drive_format: "vfat" } as const;
  const { disk_info } = getDiskInfo(guest({ block_device_info: IMAGE, config_drive: true, config }));
  expect(brief(disk_info)).toEqual({
    root: ROOT,
    disk: ROOT,
    "disk.local": "virtio vdb disk",
    "disk.config": "virtio vdc disk",
  });
});

test("q35 puts the CD-ROM on sata", () => {
  const config = { hw_machine_type: ["aarch64=virt", "broken", "x86_64=pc-q35-6.2"] };
  const { disk_info } = getDiskInfo(guest({ block_device_info: IMAGE, config_drive: true, config }));
  expect(disk_info.cdrom_bus).toBe("sata");
  expect(brief(disk_info)["disk.config"]).toBe("sata sda cdrom");
});

test("disk and root are the same object for a local root disk", () => {
  const { mapping } = getDiskInfo(guest({ block_device_info: IMAGE })).disk_info;
  expect(mapping["disk"]).toBe(mapping["root"]);
});

test("unknown virt types are refused", () => {
  expect(() => getDiskInfo(guest({ virt_type: "lxc" }))).toThrow(
    expect.objectContaining({ code: "UnsupportedVirtType" }),
  );
});
