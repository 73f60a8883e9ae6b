import { expect, test } from "vitest";
import type { EncryptionRequest } from "../request/encryption-request.ts";
import { bdm, counter, IMAGE_ID, request } from "./__fixtures__/requests.ts";
import { encryptedDisks, localDevices } from "./block-device-info.ts";
import { buildBlockDeviceInfo } from "./build-block-device-info.ts";

const OFF: EncryptionRequest = { wanted: false };
const ON: EncryptionRequest = { wanted: true, format: "luks", requestedFormat: null };

function build(parts: Parameters<typeof request>[0], encryption = OFF) {
  return buildBlockDeviceInfo(request(parts), { encryption, newUuid: counter() });
}

const PLAIN = {
  encrypted: false,
  encryption_secret_uuid: null,
  encryption_format: null,
  encryption_options: null,
};

test("an image, the flavor's ephemeral disk and its swap", () => {
  expect(build({ flavor: { ephemeral: 2, swap: 64 } })).toEqual({
    root_device_name: null,
    image: [
      {
        uuid: "u0",
        image_id: IMAGE_ID,
        device_name: null,
        size: 0,
        disk_bus: null,
        device_type: "disk",
        guest_format: null,
        boot_index: 0,
        ...PLAIN,
      },
    ],
    ephemerals: [
      {
        uuid: "u1",
        device_name: null,
        size: 2,
        disk_bus: null,
        device_type: "disk",
        guest_format: null,
        ...PLAIN,
      },
    ],
    swap: { uuid: "u2", device_name: null, swap_size: 64, disk_bus: null, ...PLAIN },
    block_device_mapping: [],
  });
});

test("the flavor adds only what the request does not bring", () => {
  const flavor = { ephemeral: 4, swap: 64 };
  const info = build({
    flavor,
    bdms: [bdm({ volume_size: 1, guest_format: "xfs" }), bdm({ volume_size: 3 })],
  });
  expect(info.ephemerals).toMatchObject([
    { size: 1, guest_format: "xfs" },
    { size: 3, guest_format: null },
  ]);
  expect(info.swap).toMatchObject({ swap_size: 64 });
  const own = build({ flavor, bdms: [bdm({ guest_format: "swap", volume_size: 8 })] });
  expect(own.swap).toMatchObject({ uuid: "u1", swap_size: 8 });
  expect(own.ephemerals).toMatchObject([{ uuid: "u2", size: 4 }]);
});

test("blank disks without a size take the flavor's", () => {
  const info = build({ flavor: { ephemeral: 4, swap: 64 }, bdms: [bdm({}), bdm({ guest_format: "swap" })] });
  expect(info.ephemerals).toMatchObject([{ size: 4 }]);
  expect(info.swap).toMatchObject({ swap_size: 64 });
});

test("names are dropped but for the root's", () => {
  const root = { source_type: "image", uuid: IMAGE_ID, boot_index: 0, device_name: "sda" } as const;
  const info = build({
    flavor: { ephemeral: 1 },
    bdms: [bdm(root), bdm({ device_name: "/dev/vdz" })],
    root_device_name: "/dev/vda",
  });
  expect(info.root_device_name).toBe("/dev/sda");
  expect(info.image[0]?.device_name).toBeNull();
  expect(info.ephemerals[0]?.device_name).toBeNull();
});

test("the root's name: its block device, then the server, then the image", () => {
  const properties = { root_device_name: "vdq" };
  expect(build({ root_device_name: "/dev/vdb", properties }).root_device_name).toBe("/dev/vdb");
  expect(build({ properties }).root_device_name).toBe("/dev/vdq");
});

test("volumes are ordered by source and carry the id of their source", () => {
  const volume = (over: Parameters<typeof bdm>[0]) => bdm({ destination_type: "volume", ...over });
  const info = build({
    image: false,
    bdms: [
      volume({ source_type: "blank", volume_size: 1 }),
      volume({ source_type: "image", uuid: "im", volume_size: 2, boot_index: 0 }),
      volume({ source_type: "snapshot", uuid: "sn" }),
      volume({ source_type: "volume", uuid: "vo" }),
    ],
  });
  expect(info.image).toEqual([]);
  expect(info.block_device_mapping).toMatchObject([
    { uuid: "u3", source_type: "volume", volume_id: "vo", snapshot_id: null, image_id: null },
    { uuid: "u2", source_type: "snapshot", snapshot_id: "sn" },
    { uuid: "u1", source_type: "image", image_id: "im", volume_size: 2, boot_index: 0 },
    { uuid: "u0", source_type: "blank", volume_id: null },
  ]);
});

test("encryption reaches every local disk and no volume", () => {
  const bdms = [bdm({ source_type: "volume", destination_type: "volume", uuid: "vo" })];
  const info = build({ flavor: { ephemeral: 1, swap: 1 }, bdms }, ON);
  expect(localDevices(info)).toHaveLength(3);
  for (const device of localDevices(info)) {
    expect(device).toMatchObject({
      encrypted: true,
      encryption_format: "luks",
      encryption_secret_uuid: null,
      encryption_options: null,
    });
  }
  expect(encryptedDisks(info)).toEqual(localDevices(info));
  expect(info.block_device_mapping[0]).not.toHaveProperty("encrypted");
});

test("without a root disk there is nothing to build", () => {
  expect(() => build({ image: false, flavor: { ephemeral: 1 } })).toThrow(
    expect.objectContaining({ code: "InvalidBDM" }),
  );
});
