import { describe, expect, test } from "vitest";
import { LvmConfig } from "./config.ts";
import { majorMinor } from "./volume-device.ts";
import { mapperName, volumeName } from "./volume-name.ts";
import { newTags, sizeTag, sizeTags, taggedSize } from "./volume-tags.ts";

describe("names", () => {
  test("are Nova's", () => {
    const instanceUuid = "8a4e0b16-5f8f-4e32-93b8-6d9a0a1f1d2c";
    expect(volumeName({ instanceUuid, name: "disk.eph0" })).toBe(`${instanceUuid}_disk.eph0`);
    expect(volumeName({ instanceUuid: "a_b", name: "disk_x" })).toBe("a__b_disk__x");
  });

  test("are the kernel's", () => {
    expect(mapperName("nova-vg", "a-b_disk")).toBe("nova--vg-a--b_disk");
    expect(majorMinor(253 * 256 + 3)).toBe("253:3");
  });
});

describe("tags", () => {
  const disk = { instanceUuid: "i", name: "disk", uuid: "u", virtualSize: 12_345n * 512n };

  test("say the guest's bytes, once", () => {
    const tags = newTags(disk, "m");
    expect(taggedSize(tags)).toBe(12_345n * 512n);
    expect(taggedSize([...tags, sizeTag(1n)])).toBeUndefined();
    expect(taggedSize(["luksmith.size=many"])).toBeUndefined();
    expect(taggedSize([""])).toBeUndefined();
    expect(sizeTags(["other", ...tags])).toEqual([sizeTag(disk.virtualSize)]);
  });

  test("have only what LVM takes in a tag", () => {
    for (const tag of newTags(disk, "m")) expect(tag).toMatch(/^[A-Za-z0-9_+.=-]+$/);
  });
});

describe("configuration", () => {
  const parse = (libvirt: object, own?: object) =>
    LvmConfig.safeParse({ sections: { libvirt, ...(own ? { "luksmith:backend-lvm": own } : {}) } });

  test("has Nova's options, and a pool of its own", () => {
    const libvirt = {
      images_volume_group: "nova-vg",
      sparse_logical_volumes: true,
      volume_clear: "shred",
      volume_clear_size: 3,
    };
    expect(parse(libvirt, { thin_pool: "pool" }).data).toEqual({
      volumeGroup: "nova-vg",
      thin: true,
      thinPool: "pool",
      clear: "shred",
      clearBytes: 3 * 1024 * 1024,
      decryption: "qemu",
    });
  });

  test.each([
    ["no group", {}, undefined],
    ["a path", { images_volume_group: "/dev/vg" }, undefined],
    ["an option", { images_volume_group: "--force" }, undefined],
    ["an expression", { images_volume_group: "vg" }, { thin_pool: 'p" || lv_name!="' }],
    ["an unknown option", { images_volume_group: "vg" }, { thinpool: "p" }],
  ])("refuses %s", (_what, libvirt, own) => {
    expect(parse(libvirt, own).success).toBe(false);
  });
});
