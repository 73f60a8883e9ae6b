import * as fc from "fast-check";
import { expect, test } from "vitest";
import { deviceLetters, nextDeviceName, prependDev, stripDev } from "./device-name.ts";
import type { DiskMapping } from "./disk-info.ts";
import type { DiskConfig, GuestContext } from "./guest-context.ts";

function context(config: DiskConfig = {}): GuestContext {
  return { virt_type: "kvm", arch: "x86_64", image: { properties: {} }, config };
}

function disk(dev: string): DiskMapping {
  return { bus: "scsi", dev, type: "disk" };
}

test.each([
  [0, "a"],
  [25, "z"],
  [26, "aa"],
  [51, "az"],
  [52, "ba"],
  [701, "zz"],
  [702, "aaa"],
  [18277, "zzz"],
])("device %i is %s", (index, letters) => {
  expect(deviceLetters(index)).toBe(letters);
});

test("no two devices have the same letters", () => {
  const letters = new Set(Array.from({ length: 20_000 }, (_, index) => deviceLetters(index)));
  expect(letters.size).toBe(20_000);
  fc.assert(
    fc.property(fc.nat(1_000_000_000), (index) => {
      expect(deviceLetters(index)).not.toBe(deviceLetters(index + 1));
      expect(deviceLetters(index)).toMatch(/^[a-z]+$/);
    }),
  );
});

test("the first free name of the bus, whatever bus holds it", () => {
  const mapping = { "disk.local": disk("sda"), "disk.swap": disk("sdc") };
  expect(nextDeviceName(context(), "scsi", mapping)).toBe("sdb");
  expect(nextDeviceName(context(), "sata", mapping)).toBe("sdb");
  expect(nextDeviceName(context(), "virtio", mapping)).toBe("vda");
  expect(nextDeviceName(context(), "fdc", mapping)).toBe("fda");
  expect(nextDeviceName(context(), "scsi", mapping, new Set(["sdb"]))).toBe("sdd");
});

test("ide has four names", () => {
  const taken = Object.fromEntries(["hda", "hdb", "hdc"].map((dev) => [dev, disk(dev)]));
  expect(nextDeviceName(context(), "ide", taken)).toBe("hdd");
  expect(() => nextDeviceName(context(), "ide", taken, new Set(["hdd"]))).toThrow(
    expect.objectContaining({ code: "TooManyDiskDevices", details: { bus: "ide", maximum: 4 } }),
  );
});

test("other buses have max_disk_devices_to_attach names, -1 being no limit", () => {
  const two = { a: disk("vda"), b: disk("vdb") };
  expect(() => nextDeviceName(context({ max_disk_devices_to_attach: 2 }), "virtio", two)).toThrow(
    expect.objectContaining({ code: "TooManyDiskDevices" }),
  );
  expect(() => nextDeviceName(context({ max_disk_devices_to_attach: 0 }), "virtio", {})).toThrow(
    expect.objectContaining({ code: "TooManyDiskDevices" }),
  );
  expect(nextDeviceName(context({ max_disk_devices_to_attach: 3 }), "virtio", two)).toBe("vdc");
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [n, disk(`vd${deviceLetters(n)}`)]));
  expect(nextDeviceName(context({ max_disk_devices_to_attach: -1 }), "virtio", many)).toBe("vdae");
});

test("disk_prefix replaces every prefix", () => {
  expect(nextDeviceName(context({ disk_prefix: "sd" }), "virtio", {})).toBe("sda");
  expect(nextDeviceName(context({ disk_prefix: "" }), "virtio", {})).toBe("vda");
});

test("/dev/ goes on and off once", () => {
  expect(stripDev("/dev/vda")).toBe("vda");
  expect(stripDev("vda")).toBe("vda");
  expect(prependDev("vda")).toBe("/dev/vda");
  expect(prependDev("/dev/vda")).toBe("/dev/vda");
});
