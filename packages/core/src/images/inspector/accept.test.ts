import { describe, expect, it } from "vitest";
import { gptDisk, isoDisk, mbrDisk } from "./fixtures/disks.ts";
import { checkBytes, inspectBytes } from "./fixtures/inspect-bytes.ts";
import { seed, type SeedName } from "./fixtures/seed.ts";
import { vmdkWithFooter } from "./fixtures/vmdk-footer-image.ts";

const MIB = 1024n * 1024n;

describe("checkImage accepts", () => {
  it.each<[SeedName, string, string, bigint]>([
    ["qcow2", "qcow2", "qcow2", 10n * MIB],
    ["qcow2-v2", "qcow2", "qcow2", 10n * MIB],
    ["vmdk-sparse", "vmdk", "vmdk", 10n * MIB],
    ["vmdk-stream", "vmdk", "vmdk", MIB / 4n],
    ["vhd-dynamic", "vhd", "vpc", 10_514_432n],
    ["vhd-fixed", "vhd", "vpc", 1_079_296n],
    ["vhdx", "vhdx", "vhdx", 10n * MIB],
  ])("%s declared %s, read by QEMU's driver %s", async (name, declared, driver, virtualSize) => {
    const image = await checkBytes(seed(name), declared);
    expect(image).toMatchObject({ driver, virtualSize, encrypted: false });
  });

  it.each<[string, () => Buffer, string, object]>([
    ["bytes without a signature", () => Buffer.alloc(4096, 1), "raw", { format: "raw", virtualSize: 4096n }],
    ["a size that no sector divides", () => Buffer.alloc(1000), "raw", { virtualSize: 1000n }],
    ["a GPT disk", gptDisk, "raw", { driver: "raw", partitionTable: { kind: "gpt", partitions: 1 } }],
    ["a GPT disk declared gpt", gptDisk, "gpt", { format: "raw" }],
    ["an MBR disk", mbrDisk, "raw", { driver: "raw", partitionTable: { kind: "mbr", partitions: 1 } }],
    ["an ISO", isoDisk, "iso", { format: "iso", driver: "raw", virtualSize: 65_536n }],
    ["a ramdisk", () => Buffer.alloc(4096, 7), "ari", { format: "raw", driver: "raw" }],
    ["a filesystem", () => Buffer.alloc(4096, 7), "ami", { format: "raw", driver: "raw" }],
    ["a stream-optimized VMDK with a footer", vmdkWithFooter, "vmdk", { format: "vmdk" }],
  ])("%s", async (_, build, declared, expected) => {
    expect(await checkBytes(build(), declared)).toMatchObject(expected);
  });

  it("a hybrid ISO, whose partition table no disk would have", async () => {
    const iso = isoDisk();
    iso.set([0x55, 0xaa], 510);
    iso.set([0x80, 0, 1, 0, 0x17], 446);
    iso.write("EFI PART", 512);
    expect(await checkBytes(iso, "iso")).toMatchObject({ format: "iso", partitionTable: { kind: "gpt" } });
  });

  it("a kernel, which ends its first sector as an MBR does", async () => {
    const kernel = Buffer.alloc(8192, 0x90);
    kernel.set([0x55, 0xaa], 510);
    kernel.write("HdrS", 0x202);
    const image = await checkBytes(kernel, "aki");
    expect(image).toMatchObject({ format: "raw" });
    expect(image.partitionTable).toBeUndefined();
  });

  it("a FAT filesystem without partitions", async () => {
    const fat = Buffer.alloc(4096);
    fat.write("FAT32   ", 0x52);
    fat.set([0x55, 0xaa], 510);
    expect(await checkBytes(fat, "raw")).toMatchObject({ format: "raw" });
  });

  it("a fixed VHD whose data is partitioned", async () => {
    const vhd = seed("vhd-fixed");
    mbrDisk().copy(vhd, 0, 0, 512);
    expect(await checkBytes(vhd, "vhd")).toMatchObject({ partitionTable: { kind: "mbr" } });
  });

  it("encrypted images where the policy allows them", async () => {
    const allowed = { allowEncrypted: true };
    expect(await checkBytes(seed("qcow2-luks"), "qcow2", allowed)).toMatchObject({
      encrypted: true,
      driver: "qcow2",
    });
    expect(await checkBytes(seed("luks"), "luks", allowed)).toMatchObject({
      encrypted: true,
      driver: "luks",
      virtualSize: MIB,
    });
  });

  it("internal snapshots where the policy allows them", async () => {
    const image = await checkBytes(seed("qcow2-snapshot"), "qcow2", { maxSnapshots: 1 });
    expect(image.match).toMatchObject({ facts: { snapshots: 1 } });
  });
});

describe("inspectImage", () => {
  it("tells the facts of a refused image", async () => {
    const { matches } = await inspectBytes(seed("qcow2-backing"));
    expect(matches).toMatchObject([
      { format: "qcow2", facts: { version: 3, clusterSize: 65_536, backingFile: "../q0.qcow2" } },
    ]);
  });

  it("tells what a VMDK consists of", async () => {
    const { matches } = await inspectBytes(seed("vmdk-flat"));
    const facts = { createType: "monolithicFlat", extents: [{ type: "flat", sectors: 2048n }] };
    expect(matches).toMatchObject([{ format: "vmdk", facts }]);
  });

  it.each(["vhdx", "qcow2", "luks"] as const)("reads little of a %s image", async (name) => {
    const { spent } = await inspectBytes(seed(name));
    expect(spent.reads).toBeLessThan(16);
    expect(spent.bytes).toBeLessThan(512 * 1024);
  });
});
