import { XMLParser } from "fast-xml-parser";
import { describe, expect, test } from "vitest";
import { domainDisks } from "../src/client.ts";
import type { DiskSource, RbdPlace } from "@luksmith/core";
import { diskXml, domainXml, type Guest } from "../src/index.ts";
import { placedDisk, plainDisk, SECRET } from "./placed-disk.ts";
import { validate } from "./validate.ts";

const UUID = "5d0c5f6e-7c0a-4f6e-9d50-3f3f0a8f3c11";
const CEPH_SECRET = "77777777-2222-4222-8222-222222222222";

const guest = (changes: Partial<Guest> = {}): Guest => ({
  uuid: UUID,
  name: "instance-0000002a",
  virtType: "qemu",
  arch: "x86_64",
  machineType: "pc",
  memoryMiB: 512,
  vcpus: 2,
  disks: [placedDisk()],
  bootOrder: ["hd"],
  ...changes,
});

const rbd = (changes: Partial<RbdPlace> = {}): Extract<DiskSource, RbdPlace> => ({
  type: "network",
  protocol: "rbd",
  name: "vms/vm_disk",
  hosts: [{ name: "10.0.0.1", port: "6789" }, { name: "fd00::1" }],
  auth: { username: "cinder", secretId: CEPH_SECRET },
  format: "raw",
  ...changes,
});

describe("domainXml", () => {
  test.each([
    ["pc", guest()],
    [
      "q35, with everything",
      guest({
        machineType: "q35",
        virtType: "kvm",
        title: "a <web> & co",
        cpuMode: "host-model",
        bootOrder: ["cdrom", "hd", "fd"],
        console: { type: "pty", logFile: "/i/console.log" },
        disks: [
          placedDisk(),
          placedDisk({ source: rbd(), mapping: { bus: "scsi", dev: "sda", type: "disk" } }),
          plainDisk({ mapping: { bus: "sata", dev: "sdb", type: "cdrom" } }),
        ],
      }),
    ],
    ["virt", guest({ arch: "aarch64", machineType: "virt", rng: false })],
    [
      "a direct kernel",
      guest({ bootOrder: [], directKernel: { kernel: "/k", initrd: "/i", commandLine: "root=/dev/vda" } }),
    ],
    ["a socket for a console", guest({ console: { type: "unix", path: "/run/x.sock" } })],
    ["a boot order of its disks' own", guest({ diskOptions: { bootOrder: 1 } })],
  ] as const)("of %s is libvirt's by its schema", (_, each) => {
    expect(() => validate("domain", domainXml(each))).not.toThrow();
  });

  test("says what was asked, and ports where disks can be plugged in", () => {
    const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: "" });
    expect(parser.parse(domainXml(guest({ machineType: "pc-q35-7.2" })))).toMatchObject({
      domain: {
        type: "qemu",
        name: "instance-0000002a",
        uuid: UUID,
        memory: { unit: "MiB", "#text": 512 },
        vcpu: 2,
        os: { type: { arch: "x86_64", machine: "pc-q35-7.2", "#text": "hvm" }, boot: { dev: "hd" } },
        on_reboot: "restart",
        on_crash: "destroy",
        devices: {
          disk: { type: "file" },
          serial: { type: "pty" },
          rng: { model: "virtio" },
          controller: [
            { model: "pcie-root" },
            ...Array.from({ length: 1 + 3 + 4 }, () => ({ model: "pcie-root-port" })),
          ],
        },
      },
    });
    expect(domainXml(guest())).not.toContain("controller");
  });

  test("never has a disk that is encrypted without saying by what", () => {
    const disk = placedDisk({ encryption_secret_uuid: null });
    expect(() => domainXml(guest({ disks: [disk] }))).toThrow(/encrypted/);
  });
});

describe("a disk in Ceph", () => {
  const disk = (changes: Partial<RbdPlace> = {}) => ({ ...placedDisk(), source: rbd(changes) });

  test("has its monitors, its user's secret, and the encryption inside the source", () => {
    expect(diskXml(disk(), { diskCacheModes: ["network=writeback"], preallocate: "space" }))
      .toBe(`<disk type='network' device='disk'>
  <driver name='qemu' type='raw' cache='writeback'/>
  <source protocol='rbd' name='vms/vm_disk'>
    <host name='10.0.0.1' port='6789'/>
    <host name='fd00::1'/>
    <auth username='cinder'>
      <secret type='ceph' uuid='${CEPH_SECRET}'/>
    </auth>
    <encryption format='luks' engine='qemu'>
      <secret type='passphrase' uuid='${SECRET}'/>
    </encryption>
  </source>
  <target dev='vda' bus='virtio'/>
</disk>`);
  });

  test("can be left to librbd, and to a cluster without users", () => {
    expect(diskXml(disk({ engine: "librbd" }))).toContain("engine='librbd'");
    const { auth: _, ...open } = rbd();
    expect(diskXml({ ...placedDisk(), source: open })).not.toContain("auth");
  });
});

test("a serial number is the guest's to read", () => {
  expect(diskXml(placedDisk(), { serial: "15929a94" })).toContain("<serial>15929a94</serial>");
});

describe("domainDisks", () => {
  test("finds them and what encrypts them, beside or inside of the source", () => {
    const beside = `<disk type='block' device='disk'><source dev='/dev/vg/lv'/><target dev='vdb'/>
      <encryption format='luks'><secret type='passphrase' uuid='${SECRET}'/></encryption></disk>`;
    const xml = `<domain><devices>${diskXml(placedDisk())}${beside}<disk device='cdrom'><target dev='sda'/></disk>
      <disk type='network'><source protocol='rbd' name='vms/x'/><target dev='vdc'/></disk></devices></domain>`;
    expect(domainDisks(xml)).toEqual([
      { device: "vda", source: "/instances/vm/disk", encrypted: true, mirrored: false },
      { device: "vdb", source: "/dev/vg/lv", encrypted: true, mirrored: false },
      { device: "sda", source: undefined, encrypted: false, mirrored: false },
      { device: "vdc", source: "vms/x", encrypted: false, mirrored: false },
    ]);
  });
});
