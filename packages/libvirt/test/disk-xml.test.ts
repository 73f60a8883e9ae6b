import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { diskXml, diskXmlOptions } from "../src/index.ts";
import { placedDisk, plainDisk, SECRET } from "./placed-disk.ts";

describe("diskXml", () => {
  test("puts the encryption inside the source, where migration and backing chains need it", () => {
    expect(diskXml(placedDisk())).toBe(`<disk type='file' device='disk'>
  <driver name='qemu' type='raw' cache='none'/>
  <source file='/instances/vm/disk'>
    <encryption format='luks'>
      <secret type='passphrase' uuid='${SECRET}'/>
    </encryption>
  </source>
  <target dev='vda' bus='virtio'/>
</disk>`);
  });

  test("writes no encryption for a plain disk", () => {
    const xml = diskXml(plainDisk({ mapping: { bus: "sata", dev: "sda", type: "cdrom" } }));
    expect(xml).toContain("<disk type='file' device='cdrom'>");
    expect(xml).toContain("<source file='/instances/vm/disk'/>");
    expect(xml).toContain("<target dev='sda' bus='sata'/>");
    expect(xml).not.toContain("encryption");
  });

  test("states the chain of an overlay to its end, with the secret of an encrypted base", () => {
    const backing = { file: "/instances/_base/a", format: "raw", virtualSize: 1, identity: {} } as const;
    const overlay = (base: object) =>
      diskXml(
        placedDisk({
          source: { type: "file", file: "/i/disk", format: "qcow2", backing: { ...backing, ...base } },
        }),
      );
    expect(overlay({})).toContain(`  </source>
  <backingStore type='file'>
    <format type='raw'/>
    <source file='/instances/_base/a'/>
    <backingStore/>
  </backingStore>
  <target dev='vda' bus='virtio'/>`);
    expect(overlay({ secretId: "8d3a5c9e-0000-4000-8000-000000000001" }))
      .toContain(`    <source file='/instances/_base/a'>
      <encryption format='luks'>
        <secret type='passphrase' uuid='8d3a5c9e-0000-4000-8000-000000000001'/>
      </encryption>
    </source>`);
  });

  test("gives QEMU a device that the kernel decrypts as it is: no key, and no slice", () => {
    const dev = "/dev/mapper/i_disk-luks";
    const xml = diskXml(placedDisk({ source: { type: "block", dev, format: "raw", decryptedBy: "kernel" } }));
    expect(xml).toContain(`<source dev='${dev}'/>`);
    expect(xml).not.toMatch(/encryption|secret|slice/);
  });

  test("never lets an encrypted disk pass as a plain one", () => {
    expect(() => diskXml(placedDisk({ encryption_secret_uuid: null }))).toThrow(/encrypted/);
    expect(() => diskXml(placedDisk({ encryption_format: null }))).toThrow(/encrypted/);
  });

  test("takes the cache mode of the source's type from disk_cachemodes, as Nova does", () => {
    const driver = (options: Parameters<typeof diskXml>[1]): string | undefined =>
      /<driver.*\/>/.exec(diskXml(placedDisk(), options))?.[0];
    const raw = "<driver name='qemu' type='raw' cache=";
    expect(driver({ diskCacheModes: ["file=writeback", "block=none"] })).toBe(`${raw}'writeback'/>`);
    expect(driver({ diskCacheModes: ["block=writeback", "file=fast", "file", "x=none"] })).toBe(
      `${raw}'none'/>`,
    );
    expect(driver({ diskCacheModes: ["file=writeback", "file=directsync"] })).toBe(`${raw}'directsync'/>`);
  });

  test("asks for native I/O where the space is there already and the cache allows it", () => {
    const file = placedDisk();
    const device = placedDisk({ source: { type: "block", dev: "/dev/vg/lv", format: "raw" } });
    expect(diskXml(file, { preallocate: "space" })).toContain("cache='none' io='native'");
    expect(diskXml(file, { preallocate: "space", diskCacheModes: ["file=writeback"] })).toContain(
      "io='threads'",
    );
    expect(diskXml(file, { preallocate: "none" })).not.toContain("io=");
    expect(diskXml(device)).toContain("<disk type='block' device='disk'>");
    expect(diskXml(device)).toContain("<source dev='/dev/vg/lv'>");
    expect(diskXml(device)).toContain("io='native'");
    expect(diskXml(device, { sparseLogicalVolumes: true })).not.toContain("io=");
  });

  test("limits a device to the disk that is on it, header included", () => {
    const source = { type: "block", dev: "/dev/vg/lv", format: "raw", dataOffset: 2_097_152 } as const;
    const disk = placedDisk({ source });
    const size = String(2_097_152 + disk.virtual_size);
    expect(diskXml(disk)).toMatch(
      new RegExp(
        `</encryption>\\s*<slices>\\s*<slice type='storage' offset='0' size='${size}'/>\\s*</slices>\\s*</source>`,
      ),
    );
  });

  test("takes discard from hw_disk_discard", async () => {
    const folder = mkdtempSync(join(tmpdir(), "luksmith-discard-"));
    try {
      const file = join(folder, "nova.conf");
      for (const [text, discard] of [
        ["", undefined],
        ["hw_disk_discard = unmap", "unmap"],
        ["hw_disk_discard = ignore", "ignore"],
      ] as const) {
        writeFileSync(file, `[libvirt]\n${text}\n`);
        expect(diskXmlOptions(await loadConfig({ files: [file] })).discard).toBe(discard);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("writes discard and boot order only when it is told to", () => {
    expect(diskXml(placedDisk())).not.toMatch(/discard|boot/);
    const xml = diskXml(placedDisk(), { discard: "unmap", bootOrder: 1 });
    expect(xml).toContain("discard='unmap'");
    expect(xml).toContain("<boot order='1'/>");
  });
});
