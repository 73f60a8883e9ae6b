import { expect, test } from "vitest";
import { busForDeviceName, busForDeviceType } from "./bus.ts";
import type { DeviceType } from "./disk-info.ts";
import type { GuestContext } from "./guest-context.ts";

function context(over: Partial<GuestContext> = {}, properties: Record<string, string> = {}): GuestContext {
  return { virt_type: "kvm", arch: "x86_64", config: {}, ...over, image: { properties } };
}

const SCSI_ARCHES = ["ppc", "ppc64", "ppcle", "ppc64le", "s390", "s390x", "aarch64"];

test.each<[string, DeviceType, string]>([
  ["x86_64", "disk", "virtio"],
  ["x86_64", "cdrom", "ide"],
  ["x86_64", "floppy", "fdc"],
  ["i686", "cdrom", "ide"],
  ["armv7l", "cdrom", "ide"],
  ...SCSI_ARCHES.flatMap((arch): [string, DeviceType, string][] => [
    [arch, "disk", "virtio"],
    [arch, "cdrom", "scsi"],
  ]),
])("on %s a %s is on %s", (arch, type, bus) => {
  expect(busForDeviceType(context({ arch }), type)).toBe(bus);
});

test.each<[Record<string, string>, DeviceType, string]>([
  [{ hw_disk_bus: "scsi" }, "disk", "scsi"],
  [{ hw_cdrom_bus: "scsi" }, "cdrom", "scsi"],
  [{ hw_disk_bus: "usb" }, "disk", "usb"],
  [{ hw_machine_type: "pc-q35-rhel8.0.0", hw_architecture: "x86_64" }, "cdrom", "sata"],
  [{ hw_architecture: "aarch64" }, "cdrom", "scsi"],
  // ide on q35 does not work, and Nova does not say so.
  [{ hw_machine_type: "q35", hw_cdrom_bus: "ide" }, "cdrom", "ide"],
])("image %o puts a %s on %s", (properties, type, bus) => {
  expect(busForDeviceType(context({}, properties), type)).toBe(bus);
});

test.each(["xen", "lxc", "uml", "Virtio", ""])("image bus '%s' is refused", (bus) => {
  expect(() => busForDeviceType(context({}, { hw_disk_bus: bus }), "disk")).toThrow(
    expect.objectContaining({ code: "UnsupportedHardware" }),
  );
});

test("the image's machine type goes before the host's", () => {
  const config = { hw_machine_type: ["x86_64=q35"] };
  expect(busForDeviceType(context({ config }), "cdrom")).toBe("sata");
  expect(busForDeviceType(context({ config }, { hw_machine_type: "pc" }), "cdrom")).toBe("ide");
  expect(busForDeviceType(context({ config: { hw_machine_type: ["x86_64="] } }), "cdrom")).toBe("ide");
});

test.each([
  ["hda", "ide"],
  ["sdf", "scsi"],
  ["vds", "virtio"],
  ["fdc", "fdc"],
])("%s suggests %s", (dev, bus) => {
  expect(busForDeviceName(dev)).toBe(bus);
});

test("other names suggest nothing", () => {
  expect(() => busForDeviceName("xvda")).toThrow(expect.objectContaining({ code: "InternalError" }));
});
