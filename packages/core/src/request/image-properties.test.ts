import { expect, test } from "vitest";
import { imageProperties } from "./image-properties.ts";

test("Glance's own fields are not properties; other values become text", () => {
  const image = {
    id: "i",
    name: "n",
    size: 1,
    min_disk: 1,
    tags: ["t"],
    hw_disk_bus: "scsi",
    n: 2,
    b: true,
    o: {},
  };
  expect(imageProperties(image)).toEqual({ hw_disk_bus: "scsi", n: "2", b: "true" });
});

test("nested properties count too", () => {
  expect(imageProperties({ a: "1", properties: { b: "2" } })).toEqual({ a: "1", b: "2" });
});

test.each([
  [{ architecture: "AMD64" }, "x86_64"],
  [{ architecture: "i586" }, "i686"],
  [{ architecture: "x86_64", hw_architecture: "aarch64" }, "aarch64"],
])("architecture of %o is %s", (image, arch) => {
  expect(imageProperties(image)["hw_architecture"]).toBe(arch);
});

test.each([
  [{ vmware_adaptertype: "ide" }, "ide"],
  [{ vmware_adaptertype: "lsiLogic" }, "scsi"],
  [{ vmware_adaptertype: "ide", hw_disk_bus: "virtio" }, "virtio"],
])("disk bus of %o is %s", (image, bus) => {
  expect(imageProperties(image)["hw_disk_bus"]).toBe(bus);
});
