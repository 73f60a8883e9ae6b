import { describe, expect, test } from "vitest";
import { diskXml, secretUsage, secretXml } from "../src/index.ts";
import { placedDisk, plainDisk, SECRET } from "./placed-disk.ts";
import { validate } from "./validate.ts";

function domain(...disks: readonly string[]): string {
  return `<domain type='kvm'><name>vm</name><memory>524288</memory>
    <os><type arch='x86_64'>hvm</type></os><devices>${disks.join("")}</devices></domain>`;
}

describe("libvirt's own schema", () => {
  test("accepts every kind of disk", () => {
    const block = placedDisk({ source: { type: "block", dev: "/dev/vg/a__b_disk", format: "raw" } });
    const qcow2 = placedDisk({
      source: {
        type: "file",
        file: "/i/<vm> & co/disk",
        format: "qcow2",
        backing: { file: "/i/_base/a", format: "qcow2", virtualSize: 1, secretId: SECRET, identity: {} },
      },
      mapping: { bus: "scsi", dev: "sda", type: "disk" },
    });
    const options = { diskCacheModes: ["file=directsync"], preallocate: "space", bootOrder: 1 } as const;
    const disks = [
      diskXml(placedDisk()),
      diskXml(block, { discard: "unmap" }),
      diskXml(
        placedDisk({ source: { type: "block", dev: "/dev/vg/a", format: "raw", dataOffset: 2_097_152 } }),
      ),
      diskXml(qcow2, options),
      diskXml(plainDisk({ mapping: { bus: "ide", dev: "hda", type: "cdrom" } })),
    ];
    expect(() => validate("domain", domain(...disks))).not.toThrow();
  });

  test("would notice an encryption format that libvirt does not know", () => {
    const wrong = diskXml(placedDisk()).replace("format='luks'", "format='plain'");
    expect(() => validate("domain", domain(wrong))).toThrow(/Command failed/);
  });

  test("accepts the secret", () => {
    const usage = secretUsage("22222222-2222-4222-8222-222222222222", placedDisk().uuid);
    expect(usage).toBe("22222222-2222-4222-8222-222222222222_15929a94-b134-4fc4-8119-1cd4e8b834cc");
    // The schema insists on an absolute path, libvirt itself does not: Nova's usage ids are none.
    expect(() => validate("secret", secretXml({ uuid: SECRET, usage: `/${usage}` }))).not.toThrow();
  });
});
