import { expect, test } from "vitest";
import { ephemeral, image, swap, volume } from "./__fixtures__/devices.ts";
import type { DriverBlockDevice } from "./block-device-info.ts";
import type { DiskMapping } from "./disk-info.ts";
import type { GuestContext } from "./guest-context.ts";
import { infoFromBdm, type Placement } from "./info-from-bdm.ts";

const CONTEXT: GuestContext = { virt_type: "kvm", arch: "x86_64", image: { properties: {} }, config: {} };
const ENCRYPTED = {
  encrypted: true,
  encryption_secret_uuid: "7c4e9f5a-2f0f-4f3e-9d0a-5f3f0d6f8a11",
  encryption_format: "luks",
  encryption_options: { json: "options" },
} as const;

const CASES: readonly { name: string; bdm: DriverBlockDevice; placement?: Placement; info: DiskMapping }[] = [
  {
    name: "a bus that does not suit the name stays",
    bdm: swap({ device_name: "/dev/vds", disk_bus: "usb" }),
    info: { dev: "vds", type: "disk", bus: "usb" },
  },
  {
    name: "without a bus the name decides",
    bdm: ephemeral({ device_name: "/dev/vdb", guest_format: "ext4" }),
    info: { dev: "vdb", type: "disk", bus: "virtio", format: "ext4" },
  },
  {
    name: "an empty format is none",
    bdm: ephemeral({ disk_bus: "ide", guest_format: "", device_name: "/dev/vdc" }),
    info: { dev: "vdc", type: "disk", bus: "ide" },
  },
  {
    name: "an unknown bus counts as none",
    bdm: volume({ mount_device: "/dev/sdr", disk_bus: "lame_bus", device_type: "cdrom", boot_index: 0 }),
    info: { dev: "sdr", type: "cdrom", bus: "scsi", boot_index: "1" },
  },
  {
    name: "an unknown type is a disk",
    bdm: volume({ mount_device: "/dev/vdo", disk_bus: "scsi", device_type: "lame_type", boot_index: 1 }),
    info: { dev: "vdo", type: "disk", bus: "scsi", boot_index: "2" },
  },
  {
    name: "a negative boot index does not boot",
    bdm: volume({ mount_device: "/dev/vdo", boot_index: -1 }),
    info: { dev: "vdo", type: "disk", bus: "virtio" },
  },
  {
    name: "sata is a bus",
    bdm: ephemeral({ disk_bus: "sata", device_name: "/dev/sda" }),
    info: { dev: "sda", type: "disk", bus: "sata" },
  },
  {
    name: "encryption goes along",
    bdm: swap(ENCRYPTED),
    info: { dev: "vda", type: "disk", bus: "virtio", ...ENCRYPTED },
  },
  {
    name: "the given bus goes before the name",
    bdm: ephemeral({ device_name: "/dev/vda" }),
    placement: { bus: "ide" },
    info: { dev: "vda", type: "disk", bus: "ide" },
  },
  {
    name: "neither bus nor name: the type decides",
    bdm: volume({ disk_bus: "lame_bus", device_type: "cdrom" }),
    info: { dev: "hda", type: "cdrom", bus: "ide" },
  },
  {
    name: "mapped and assigned names are passed over",
    bdm: volume({ disk_bus: "virtio" }),
    placement: {
      mapping: { root: { dev: "vda", bus: "virtio", type: "disk" } },
      assigned: new Set(["vdb", "vdc"]),
    },
    info: { dev: "vdd", type: "disk", bus: "virtio" },
  },
];

test.each(CASES)("$name", ({ bdm, placement, info }) => {
  expect(infoFromBdm(CONTEXT, bdm, placement ?? {})).toStrictEqual(info);
});

test.each([null, {}])("empty encryption options are left out: %o", (encryption_options) => {
  const info = infoFromBdm(CONTEXT, image({ ...ENCRYPTED, encryption_options }), {});
  expect(info).toHaveProperty("encrypted", true);
  expect(info).not.toHaveProperty("encryption_options");
});

test("an encrypted device without a format is refused, not written in the clear", () => {
  const bdm = ephemeral({ ...ENCRYPTED, encryption_format: null });
  expect(() => infoFromBdm(CONTEXT, bdm, {})).toThrow(expect.objectContaining({ code: "InvalidBDM" }));
});

test("a lun needs a bus or a name", () => {
  expect(() => infoFromBdm(CONTEXT, volume({ device_type: "lun" }), {})).toThrow(
    expect.objectContaining({ code: "InvalidBDM" }),
  );
  const info = infoFromBdm(CONTEXT, volume({ device_type: "lun", mount_device: "/dev/sdb" }), {});
  expect(info).toEqual({ bus: "scsi", dev: "sdb", type: "lun" });
});
