import { expect, test } from "vitest";
import { isLuksmithError } from "../errors/luksmith-error.ts";
import { parseRequest } from "./parse-request.ts";

const SERVER = "1f6d3c58-92ab-4d07-8e41-5b7c0a9e2d63";
const IMAGE = "6a1f2c84-3b7d-4e59-9c0a-d8e5b71f4a26";
const OTHER = "d27c94b1-85e3-4f6a-b0d4-19a7e63c5f08";
const FLAVOR = { disk: 1, ephemeral: 4, swap: 64, ram: 512 };
const GIB = 2 ** 30;

interface Change {
  readonly server?: Record<string, unknown>;
  readonly flavor?: Record<string, unknown>;
  readonly image?: Record<string, unknown> | null;
  readonly bdms?: readonly Record<string, unknown>[];
}

function request({ server, flavor, image, bdms }: Change) {
  return {
    server: { id: SERVER, flavor: { ...FLAVOR, ...flavor }, ...server },
    image: image === null ? null : { id: IMAGE, ...image },
    ...(bdms === undefined ? {} : { block_device_mapping_v2: bdms }),
  };
}

function code(change: Change): string {
  try {
    parseRequest(request(change));
    return "accepted";
  } catch (error) {
    return isLuksmithError(error) ? error.code : String(error);
  }
}

const volume = { source_type: "volume", destination_type: "volume", uuid: OTHER };
const root = { source_type: "image", destination_type: "local", uuid: IMAGE, boot_index: 0 };
const blank = { source_type: "blank", destination_type: "local" };
const swap = { ...blank, guest_format: "swap" };

test.each<[string, Change]>([
  ["the server's image is another", { server: { image: { id: OTHER } } }],
  ["the server boots from a volume, yet there is an image", { server: { image: "" } }],
  ["the server has an image that is not given", { server: { image: { id: IMAGE } }, image: null }],
  ["boot_index 0 is a volume, yet there is an image", { bdms: [{ ...volume, boot_index: 0 }] }],
  ["the image is queued", { image: { status: "queued" } }],
  ["the image is deactivated", { image: { status: "deactivated" } }],
  ["the image needs more memory", { image: { min_ram: 1024 } }],
  ["the config drive policy is unknown", { image: { img_config_drive: "maybe" } }],
  ["the image describes block devices", { image: { block_device_mapping: '[{"boot_index": 0}]' } }],
  ["the image maps devices", { image: { properties: { mappings: [{ virtual: "swap" }] } } }],
  ["a volume has the root disk's name", { bdms: [{ ...volume, device_name: "/dev/vda" }] }],
  ["the flavor's disk is absurd", { flavor: { disk: 2 ** 23 + 1 } }],
  ["the flavor's ephemeral space is negative", { flavor: { ephemeral: -1 } }],
  ["the virtual size cannot be exact", { flavor: { disk: 0 }, image: { virtual_size: 2 ** 53 } }],
  ["a volume id is a path", { bdms: [{ ...volume, uuid: "../volume" }] }],
  ["a volume has no size at all", { bdms: [{ ...volume, volume_size: 0 }] }],
  ["a tag has a slash", { bdms: [{ ...volume, tag: "a/b" }] }],
  ["a device name has a space", { bdms: [{ ...volume, device_name: "/dev/v da" }] }],
])("InvalidRequest: %s", (_, change) => {
  expect(code(change)).toBe("InvalidRequest");
});

test.each<[string, Change]>([
  ["nothing boots", { image: null }],
  ["no source", { bdms: [{ uuid: OTHER }] }],
  [
    "two roots",
    {
      image: null,
      bdms: [
        { ...volume, boot_index: 0 },
        { ...volume, boot_index: "0" },
      ],
    },
  ],
  ["the image and something else at 0", { bdms: [root, { ...volume, boot_index: 0 }] }],
  ["a gap in the boot sequence", { bdms: [root, { ...volume, boot_index: 2 }] }],
  ["an image as a second local disk", { bdms: [root, { ...root, boot_index: 1 }] }],
  ["an image as a local disk that does not boot", { bdms: [{ ...root, boot_index: null }] }],
  ["another image as root", { bdms: [{ ...root, uuid: OTHER }] }],
  ["a blank disk as root", { image: null, bdms: [{ ...blank, boot_index: 0 }] }],
  [
    "a snapshot as a local disk",
    { bdms: [{ ...volume, source_type: "snapshot", destination_type: "local" }] },
  ],
  ["a blank disk with a uuid", { bdms: [{ ...blank, uuid: OTHER }] }],
  ["a volume without a uuid", { bdms: [{ source_type: "volume", destination_type: "volume" }] }],
  ["a blank volume without a size", { bdms: [{ source_type: "blank", destination_type: "volume" }] }],
  ["an image volume without a size", { bdms: [{ ...root, destination_type: "volume", boot_index: null }] }],
  ["a local disk with a volume type", { bdms: [{ ...blank, volume_type: "fast" }] }],
  ["an existing volume with a volume type", { bdms: [{ ...volume, volume_type: "fast" }] }],
  ["a bus that does not exist", { bdms: [{ ...blank, disk_bus: "nvme" }] }],
  [
    "ephemerals above the flavor",
    {
      bdms: [
        { ...blank, volume_size: 3 },
        { ...blank, volume_size: 2 },
      ],
    },
  ],
  ["two ephemerals of the flavor's whole size", { bdms: [blank, blank] }],
  ["swap above the flavor", { bdms: [{ ...swap, volume_size: 65 }] }],
  ["two swaps", { bdms: [swap, swap] }],
  ["swap that the flavor does not have", { flavor: { swap: 0 }, bdms: [{ ...swap, volume_size: 1 }] }],
])("InvalidBDM: %s", (_, change) => {
  expect(code(change)).toBe("InvalidBDM");
});

test.each<[string, Change]>([
  ["the listed image root", { bdms: [root] }],
  ["an implied image root", { bdms: [{ ...volume, boot_index: 1 }] }],
  [
    "ephemerals that fit, sizes as text",
    {
      bdms: [
        { ...blank, volume_size: "3" },
        { ...blank, volume_size: 1 },
      ],
    },
  ],
  ["swap of the flavor's size", { bdms: [swap] }],
  ["entries that take a device away", { bdms: [{ no_device: true, device_name: "/dev/vdb" }] }],
  ["a volume from a snapshot without a size", { bdms: [{ ...volume, source_type: "snapshot" }] }],
  ["a disk of 0 GiB under any image", { flavor: { disk: 0 }, image: { min_disk: 9, virtual_size: 9 * GIB } }],
  ["an image that just fits", { image: { min_disk: 1, size: GIB, virtual_size: GIB } }],
  ["an image of unknown virtual size", { image: { virtual_size: null } }],
  [
    "an active image with empty lists",
    { image: { status: "active", block_device_mapping: "[]", mappings: [] } },
  ],
])("accepted: %s", (_, change) => {
  expect(code(change)).toBe("accepted");
});

test("an image larger than the flavor's disk", () => {
  expect(code({ image: { virtual_size: GIB + 1 } })).toBe("FlavorDiskSmallerThanImage");
  expect(code({ image: { size: GIB + 1 } })).toBe("FlavorDiskSmallerThanImage");
  expect(code({ image: { min_disk: 2 } })).toBe("FlavorDiskSmallerThanMinDisk");
});

test("problems of different kinds are one InvalidRequest that lists each with its own code", () => {
  const change = { image: { min_disk: 2, status: "queued" }, bdms: [swap, swap] };
  const listed = ["InvalidRequest", "FlavorDiskSmallerThanMinDisk", "InvalidBDM"].map((each) =>
    expect.objectContaining({ code: each }),
  );
  expect(() => parseRequest(request(change))).toThrow(
    expect.objectContaining({ code: "InvalidRequest", details: { problems: listed } }),
  );
});
