import { expect, test } from "vitest";
import { withoutDisks } from "../src/domain/without-disks.ts";

const DOMAIN = `<domain type="qemu"><name>n</name><devices>
  <disk type="file" device="disk"><source file="/i/disk"/><target dev="vda" bus="virtio"/></disk>
  <disk type="block" device="disk"><source dev="/dev/vg/lv"/><target dev="vdb" bus="virtio"/></disk>
  <disk type="file" device="cdrom"><target dev="sda" bus="sata"/></disk>
  <!-- a comment --><serial type="pty"/>
</devices></domain>`;

test("takes out the disks that are named, and nothing else", () => {
  const left = withoutDisks(DOMAIN, new Set(["/i/disk", "/nowhere"]));
  expect(left).not.toContain("/i/disk");
  for (const kept of ["/dev/vg/lv", "sda", "a comment", "<serial", "<name>n</name>"])
    expect(left).toContain(kept);
  expect(withoutDisks(DOMAIN, new Set(["/i/disk", "/dev/vg/lv"]))).not.toContain("vdb");
});

test("refuses what is no domain", () => {
  expect(() => withoutDisks("<network/>", new Set())).toThrow(/domain/);
});
