import { expect, test } from "vitest";
import type { EncryptionRequest } from "../request/encryption-request.ts";
import { devices, guest, image, swap } from "./__fixtures__/devices.ts";
import { bdm, counter, IMAGE_ID, request } from "./__fixtures__/requests.ts";
import { buildBlockDeviceInfo } from "./build-block-device-info.ts";
import { getDiskInfo } from "./get-disk-info.ts";
import { localDisks } from "./local-disks.ts";

const ON: EncryptionRequest = { wanted: true, format: "luks", requestedFormat: "luks" };

function plan(parts: Parameters<typeof request>[0], encryption: EncryptionRequest) {
  const asked = request(parts);
  const built = buildBlockDeviceInfo(asked, { encryption, newUuid: counter() });
  const { flavor } = asked.server;
  const placed = getDiskInfo(guest({ flavor, block_device_info: built, config_drive: true }));
  return localDisks(asked, placed.block_device_info, placed.disk_info);
}

test("root, ephemerals and swap, in bytes, encrypted", () => {
  const bdms = [bdm({ volume_size: 2, guest_format: "ext4" }), bdm({ volume_size: 1 })];
  const encryption = { format: "luks", options: null, secret_uuid: null };
  expect(plan({ flavor: { disk: 3, ephemeral: 3, swap: 64 }, bdms }, ON)).toEqual([
    {
      name: "disk",
      uuid: "u0",
      kind: "root",
      virtual_size: 3n * 1024n ** 3n,
      image_id: IMAGE_ID,
      index: 0,
      dev: "vda",
      bus: "virtio",
      encryption,
    },
    {
      name: "disk.eph0",
      uuid: "u1",
      kind: "ephemeral",
      virtual_size: 2n * 1024n ** 3n,
      guest_format: "ext4",
      index: 0,
      dev: "vdb",
      bus: "virtio",
      encryption,
    },
    {
      name: "disk.eph1",
      uuid: "u2",
      kind: "ephemeral",
      virtual_size: 1024n ** 3n,
      index: 1,
      dev: "vdc",
      bus: "virtio",
      encryption,
    },
    {
      name: "disk.swap",
      uuid: "u3",
      kind: "swap",
      virtual_size: 64n * 1024n ** 2n,
      guest_format: "swap",
      index: 0,
      dev: "vdd",
      bus: "virtio",
      encryption,
    },
  ]);
});

test("a plain instance has plain disks; a flavor disk of 0 leaves the size to the image", () => {
  expect(plan({ flavor: { disk: 0 } }, { wanted: false })).toMatchObject([
    { name: "disk", virtual_size: null, encryption: null },
  ]);
});

test("an instance on volumes has only its blank disks", () => {
  const bdms = [bdm({ source_type: "volume", destination_type: "volume", uuid: "vo", boot_index: 0 })];
  const disks = plan({ image: false, flavor: { disk: 0, ephemeral: 1 }, bdms }, ON);
  expect(disks).toMatchObject([{ name: "disk.eph0", dev: "vdb", encryption: { format: "luks" } }]);
});

test("secrets that exist come along", () => {
  const keyed = image({ encrypted: true, encryption_format: "luks", encryption_secret_uuid: "s" });
  const flavor = { ephemeral: 0, swap: 0 };
  const placed = getDiskInfo(guest({ flavor, block_device_info: devices({ image: [keyed] }) }));
  expect(localDisks(request({}), placed.block_device_info, placed.disk_info)).toMatchObject([
    { encryption: { secret_uuid: "s" } },
  ]);
});

test("disks of which only some have a secret are refused", () => {
  const luks = { encrypted: true, encryption_format: "luks" } as const;
  const mixed = devices({ image: [image({ ...luks, encryption_secret_uuid: "s" })], swap: swap(luks) });
  const placed = getDiskInfo(guest({ flavor: { ephemeral: 0, swap: 10 }, block_device_info: mixed }));
  expect(() => localDisks(request({}), placed.block_device_info, placed.disk_info)).toThrow(/have a secret/);
});

test("a disk that nothing stands for has no id: refused", () => {
  const placed = getDiskInfo(guest({ block_device_info: devices({ image: [image()] }) }));
  expect(placed.disk_info.mapping).toHaveProperty(["disk.local"]);
  expect(() => localDisks(request({}), placed.block_device_info, placed.disk_info)).toThrow(
    expect.objectContaining({ code: "InvalidBDM", details: { disk: "disk.local" } }),
  );
});

test("block devices and disk_info must agree about encryption and about which disks there are", () => {
  const flavor = { ephemeral: 0, swap: 0 };
  const { disk_info } = getDiskInfo(guest({ flavor, block_device_info: devices({ image: [image()] }) }));
  const encrypted = devices({ image: [image({ encrypted: true, encryption_format: "luks" })] });
  expect(() => localDisks(request({}), encrypted, disk_info)).toThrow(/not in both/);
  const more = devices({ image: [image()], swap: swap() });
  expect(() => localDisks(request({}), more, disk_info)).toThrow(/no place/);
});
