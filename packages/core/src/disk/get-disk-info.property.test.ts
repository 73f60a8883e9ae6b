import * as fc from "fast-check";
import { expect, test } from "vitest";
import { devices, ephemeral, guest, image, swap, volume } from "./__fixtures__/devices.ts";
import type { BlockDeviceInfo } from "./block-device-info.ts";
import { getDiskInfo, type GetDiskInfo } from "./get-disk-info.ts";
import { localDisks } from "./local-disks.ts";
import { request } from "./__fixtures__/requests.ts";

const bus = fc.constantFrom(null, "virtio", "scsi", "usb", "sata", "bogus");
const count = fc.nat(4);

/** Block devices as a fresh request has them: no names but perhaps the root's. */
const fresh: fc.Arbitrary<BlockDeviceInfo> = fc
  .record({
    encrypted: fc.boolean(),
    onVolume: fc.boolean(),
    buses: fc.array(bus, { minLength: 10, maxLength: 10 }),
    ephemerals: count,
    volumes: count,
    hasSwap: fc.boolean(),
    root: fc.constantFrom(null, "/dev/vda", "/dev/sda"),
  })
  .map(({ encrypted, onVolume, buses, ephemerals, volumes, hasSwap, root }) => {
    const rest = [...buses];
    const next = () => ({ disk_bus: rest.pop() ?? null });
    const crypt = encrypted ? ({ encrypted: true, encryption_format: "luks" } as const) : {};
    return devices({
      root_device_name: root,
      image: onVolume ? [] : [image({ ...crypt, ...next() })],
      ephemerals: Array.from({ length: ephemerals }, () => ephemeral({ ...crypt, ...next() })),
      swap: hasSwap ? swap({ ...crypt, ...next() }) : null,
      block_device_mapping: Array.from({ length: volumes + Number(onVolume) }, (_, index) =>
        volume({ ...next(), boot_index: onVolume && index === 0 ? 0 : null }),
      ),
    });
  });

const inputs: fc.Arbitrary<GetDiskInfo> = fc
  .record({
    block_device_info: fresh,
    arch: fc.constantFrom("x86_64", "aarch64", "ppc64le"),
    config_drive: fc.boolean(),
    rescue: fc.constantFrom(undefined, { image: { properties: { hw_rescue_bus: "scsi" } } }),
    format: fc.constantFrom("raw", "iso"),
  })
  .map(({ rescue, format, ...rest }) =>
    guest({
      ...rest,
      flavor: { ephemeral: 0, swap: 0 },
      image: { disk_format: format, properties: {} },
      ...(rescue === undefined ? {} : { rescue }),
    }),
  );

function check(property: (input: GetDiskInfo) => void): void {
  fc.assert(fc.property(inputs, property));
}

test("no two disks share a name", () => {
  check((input) => {
    const { mapping } = getDiskInfo(input).disk_info;
    // `root` is another name of the disk that boots.
    const names = Object.entries(mapping).flatMap(([name, disk]) => (name === "root" ? [] : [disk.dev]));
    expect(new Set(names).size).toBe(names.length);
  });
});

test("every block device is in the mapping under the name that it got", () => {
  check((input) => {
    const { disk_info, block_device_info: info } = getDiskInfo(input);
    const names = new Set(Object.values(disk_info.mapping).map((disk) => `/dev/${disk.dev}`));
    for (const device of [...info.image, ...info.ephemerals, ...(info.swap ? [info.swap] : [])]) {
      expect(names).toContain(device.device_name);
    }
    for (const { mount_device } of info.block_device_mapping) {
      expect(disk_info.mapping).toHaveProperty([String(mount_device)]);
    }
  });
});

test("the input stays as it was and the answer is always the same", () => {
  check((input) => {
    const before = structuredClone(input);
    const first = getDiskInfo(input);
    expect(input).toEqual(before);
    expect(getDiskInfo(input)).toEqual(first);
  });
});

test("placing again what was placed changes nothing", () => {
  check((input) => {
    const first = getDiskInfo(input);
    expect(getDiskInfo({ ...input, block_device_info: first.block_device_info })).toEqual(first);
  });
});

test("encryption of a block device and of its disk are never apart", () => {
  check((input) => {
    const { disk_info, block_device_info } = getDiskInfo(input);
    const wanted = [...block_device_info.image, ...block_device_info.ephemerals].some(
      (each) => each.encrypted,
    );
    const disks = localDisks(request({}), block_device_info, disk_info);
    const encrypted = disks.filter((disk) => disk.encryption?.format === "luks");
    expect(encrypted).toHaveLength(wanted || block_device_info.swap?.encrypted ? disks.length : 0);
  });
});
