import { expect, test } from "vitest";
import { devices, ephemeral, guest, image, swap, volume } from "./__fixtures__/devices.ts";
import type { BlockDeviceInfo } from "./block-device-info.ts";
import { getDiskInfo } from "./get-disk-info.ts";

test("names, buses and types come back in the block devices; a name that was there stays", () => {
  const info = devices({
    root_device_name: "/dev/vda",
    swap: swap({ device_name: "/dev/vdb", device_type: "really_lame_type" }),
    image: [image({ device_name: "/dev/vda" })],
    ephemerals: [ephemeral({ disk_bus: "no_such_bus", device_type: "yeah_right", device_name: "/dev/vdc" })],
    block_device_mapping: [volume({ device_type: "lawnmower" })],
  });
  const out = getDiskInfo(guest({ block_device_info: info })).block_device_info;
  expect(out.swap).toMatchObject({ device_name: "/dev/vdb", disk_bus: "virtio", device_type: "disk" });
  expect(out.image[0]).toMatchObject({ device_name: "/dev/vda", disk_bus: "virtio", device_type: "disk" });
  expect(out.ephemerals[0]).toMatchObject({
    device_name: "/dev/vdc",
    disk_bus: "virtio",
    device_type: "disk",
  });
  expect(out.block_device_mapping[0]).toMatchObject({
    mount_device: "/dev/vdd",
    disk_bus: "virtio",
    device_type: "disk",
  });
});

type Names = Readonly<{ eph?: string | null; swap?: string | null; volumes: readonly (string | null)[] }>;

/** Nova's `DefaultDeviceNamesTestCase`: root volume at vda, image root unnamed, flavor swap 4 MiB. */
function named({ eph, swap: swapName, volumes }: Names): BlockDeviceInfo {
  const hard = { device_type: "disk", disk_bus: "virtio" };
  return devices({
    root_device_name: "/dev/vda",
    image: [image()],
    ephemerals: eph === undefined ? [] : [ephemeral({ ...hard, device_name: eph, size: 1 })],
    swap: swapName === undefined ? null : swap({ disk_bus: "virtio", device_name: swapName, swap_size: 1 }),
    block_device_mapping: volumes.map((mount_device, index) =>
      volume({ ...hard, mount_device, boot_index: index === 0 ? 0 : -1 }),
    ),
  });
}

const VOLUMES = ["/dev/vda", "/dev/vdd", "/dev/vde"];
const UNNAMED = ["/dev/vda", null, null];

test.each<{ name: string; given: Names; gets: Names }>([
  { name: "all volumes named", given: { volumes: VOLUMES }, gets: { volumes: VOLUMES } },
  // The flavor's swap (vdc) and ephemeral space (vdb) stand before the volumes.
  { name: "volumes unnamed", given: { volumes: UNNAMED }, gets: { volumes: VOLUMES } },
  {
    name: "ephemeral unnamed",
    given: { eph: null, volumes: VOLUMES },
    gets: { eph: "/dev/vdb", volumes: VOLUMES },
  },
  {
    name: "volumes behind an ephemeral",
    given: { eph: "/dev/vdb", volumes: UNNAMED },
    gets: { eph: "/dev/vdb", volumes: VOLUMES },
  },
  { name: "swap alone", given: { swap: null, volumes: [] }, gets: { swap: "/dev/vdc", volumes: [] } },
  {
    name: "swap and volumes",
    given: { swap: null, volumes: UNNAMED },
    gets: { swap: "/dev/vdc", volumes: VOLUMES },
  },
  {
    name: "swap between named neighbours",
    given: { eph: "/dev/vdb", swap: null, volumes: VOLUMES },
    gets: { eph: "/dev/vdb", swap: "/dev/vdc", volumes: VOLUMES },
  },
  {
    name: "everything unnamed",
    given: { eph: null, swap: null, volumes: UNNAMED },
    gets: { eph: "/dev/vdb", swap: "/dev/vdc", volumes: VOLUMES },
  },
])("default names: $name", ({ given, gets }) => {
  const flavor = { ephemeral: 20, swap: 4 };
  const out = getDiskInfo(guest({ flavor, block_device_info: named(given) })).block_device_info;
  expect(out.image[0]?.device_name).toBe("/dev/vda");
  expect(out.ephemerals[0]?.device_name).toBe(gets.eph);
  expect(out.swap?.device_name).toBe(gets.swap);
  expect(out.block_device_mapping.map((bdm) => bdm.mount_device)).toEqual(gets.volumes);
});

test("a volume does not get a name that a later volume brings", () => {
  const block_device_mapping = [volume({ disk_bus: "virtio" }), volume({ mount_device: "vdb" })];
  const info = devices({ image: [image()], block_device_mapping });
  const out = getDiskInfo(guest({ flavor: { ephemeral: 0, swap: 0 }, block_device_info: info }));
  // A name that was there stays as it was written.
  expect(out.block_device_info.block_device_mapping.map((bdm) => bdm.mount_device)).toEqual([
    "/dev/vdc",
    "vdb",
  ]);
});

test("the root device's own name goes before the instance's root name", () => {
  const flavor = { ephemeral: 0, swap: 0 };
  const root_device_name = "/dev/vda";
  const local = devices({ root_device_name, image: [image({ device_name: "/dev/vdc" })] });
  const remote = devices({
    root_device_name,
    block_device_mapping: [volume({ boot_index: 0, mount_device: "/dev/vdc" })],
  });
  for (const block_device_info of [local, remote]) {
    expect(getDiskInfo(guest({ flavor, block_device_info })).disk_info.mapping["root"]?.dev).toBe("vdc");
  }
});

test("an unnamed swap takes a name that a volume brings: Nova does not look there", () => {
  const info = devices({
    image: [image()],
    swap: swap(),
    block_device_mapping: [volume({ mount_device: "/dev/vdb" })],
  });
  const { mapping } = getDiskInfo(
    guest({ flavor: { ephemeral: 0, swap: 10 }, block_device_info: info }),
  ).disk_info;
  expect(mapping["disk.swap"]?.dev).toBe("vdb");
  expect(mapping["/dev/vdb"]?.dev).toBe("vdb");
});
