import { describe, expect, test } from "vitest";
import { domainDisks, withOurDisks } from "../src/client.ts";
import { copyXml, snapshotXml } from "../src/domain/copy-xml.ts";
import { domainXml } from "../src/index.ts";
import { placedDisk, plainDisk, SECRET } from "./placed-disk.ts";
import { validate } from "./validate.ts";

const UUID = "5d0c5f6e-7c0a-4f6e-9d50-3f3f0a8f3c11";

const THEIRS = `<?xml version="1.0"?>
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <!-- the web server -->
  <name>web &amp; co</name>
  <memory unit='MiB'>256</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <metadata><my:note xmlns:my='urn:my'>a &lt;note&gt; <![CDATA[x < y]]></my:note></metadata>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='unsafe'/>
      <source file='/tmp/placeholder'/>
      <target dev='vda' bus='virtio'/>
      <boot order='2'/>
      <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
    </disk>
    <disk type='file' device='cdrom'><source file='/iso'/><target dev='sda' bus='sata'/></disk>
    <interface type='user'/>
  </devices>
  <qemu:commandline><qemu:arg value='-S'/></qemu:commandline>
</domain>`;

const data = placedDisk({
  uuid: "25929a94-b134-4fc4-8119-1cd4e8b834cc",
  name: "disk.eph0",
  source: { type: "file", file: "/instances/vm/disk.eph0", format: "raw" },
  mapping: { bus: "virtio", dev: "vdb", type: "disk" },
});

describe("withOurDisks", () => {
  test("replaces the disk of the same name, adds the other, and leaves the rest as it is", () => {
    const xml = withOurDisks(THEIRS, [placedDisk(), data], { uuid: UUID });
    expect(() => validate("domain", xml)).not.toThrow();
    expect(domainDisks(xml)).toEqual([
      { device: "vda", source: "/instances/vm/disk", encrypted: true, mirrored: false },
      { device: "sda", source: "/iso", encrypted: false, mirrored: false },
      { device: "vdb", source: "/instances/vm/disk.eph0", encrypted: true, mirrored: false },
    ]);
    for (const kept of [
      "<!-- the web server -->",
      "web &amp; co",
      "<![CDATA[x < y]]>",
      '<qemu:arg value="-S"/>',
      '<interface type="user"/>',
      'bus="0x04"',
      '<boot order="2"/>',
      `<uuid>${UUID}</uuid>`,
    ]) {
      expect(xml).toContain(kept);
    }
    expect(xml).not.toContain("placeholder");
    expect(xml).not.toContain("unsafe");
    // Again, it changes nothing.
    expect(withOurDisks(xml, [placedDisk(), data], { uuid: UUID })).toBe(xml);
  });

  test("takes no address along that is another bus's", () => {
    const moved = placedDisk({ mapping: { bus: "scsi", dev: "vda", type: "disk" } });
    expect(withOurDisks(THEIRS, [moved])).not.toContain("0x04");
  });

  test("makes a place where there is none", () => {
    const xml = withOurDisks("<domain type='qemu'><name>x</name></domain>", [placedDisk()]);
    expect(domainDisks(xml)).toEqual([
      { device: "vda", source: "/instances/vm/disk", encrypted: true, mirrored: false },
    ]);
  });

  test.each([
    ["no XML", "<domain", /cannot be used/],
    ["no domain", "<network/>", /<network>/],
    ["a document type", `<!DOCTYPE domain [<!ENTITY x "y">]>${THEIRS.slice(21)}`, /document type/],
    ["another's uuid", THEIRS.replace("<name>", `<uuid>${SECRET}</uuid><name>`), /uuid/],
    [
      "our container as a plain disk",
      THEIRS.replace("/iso", "/instances/vm/disk"),
      /disk sda uses \/instances\/vm\/disk/,
    ],
    ["two disks of one name", THEIRS.replace("dev='sda'", "dev='vda'"), /2 disks/],
  ])("refuses %s", (_, xml, why) => {
    const put = () => withOurDisks(xml, [placedDisk()], { uuid: UUID });
    expect(put).toThrow(why);
    expect(put).toThrow(expect.objectContaining({ code: "DomainXmlInvalid" }));
  });
});

describe("copies of encrypted disks", () => {
  const disks = [placedDisk(), data, plainDisk({ mapping: { bus: "virtio", dev: "vdc", type: "disk" } })];
  const xml = domainXml({
    uuid: UUID,
    name: "x",
    virtType: "qemu",
    arch: "x86_64",
    machineType: "q35",
    memoryMiB: 128,
    vcpus: 1,
    disks,
    bootOrder: [],
  });

  test("are encrypted, and every disk that is not meant is told so", () => {
    const overlays = [
      { device: "vda", file: "/i/o1", exists: true, secretId: SECRET },
      { device: "vdc", file: "/i/o2", exists: true },
    ];
    const snapshot = snapshotXml(xml, overlays);
    expect(() => validate("domainsnapshot", snapshot)).not.toThrow();
    expect(snapshot).toContain("<disk name='vdb' snapshot='no'/>");
    expect(snapshot.match(/<encryption/g)).toHaveLength(1);
    const target = { type: "file", file: "/i/c", format: "raw", secretId: SECRET } as const;
    expect(copyXml(xml, "vda", target)).toContain("<encryption format='luks'>");
  });

  test("are refused when they would be plain, or of no disk", () => {
    const plain = { type: "file", file: "/i/c", format: "raw" } as const;
    expect(() => snapshotXml(xml, [{ device: "vdb", file: "/i/o", exists: true }])).toThrow(/would be plain/);
    expect(() => copyXml(xml, "vda", plain)).toThrow(/would be plain/);
    expect(copyXml(xml, "vdc", plain)).not.toContain("encryption");
    expect(() => copyXml(xml, "vdz", plain)).toThrow(/no disk vdz/);
  });
});
