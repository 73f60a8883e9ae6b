import { describe, expect, it } from "vitest";
import {
  bochsDisk,
  cloopDisk,
  dmgDisk,
  gptDisk,
  isoDisk,
  mbrDisk,
  ploopDescriptor,
} from "./fixtures/disks.ts";
import { checkBytes, codeOf } from "./fixtures/inspect-bytes.ts";
import { seed, type SeedName } from "./fixtures/seed.ts";

const patched = (build: () => Buffer, patch: (disk: Buffer) => void): (() => Buffer) => {
  return () => {
    const disk = build();
    patch(disk);
    return disk;
  };
};

describe("checkImage refuses", () => {
  it.each<[string, string, string, () => Buffer]>([
    ["QED", "QedUnsupported", "qed", () => seed("qed")],
    ["qcow", "QcowUnsupported", "qcow", () => seed("qcow")],
    ["VDI", "VdiUnsupported", "vdi", () => seed("vdi")],
    ["Parallels", "ParallelsUnsupported", "parallels", () => seed("parallels")],
    ["a ploop delta", "ParallelsUnsupported", "ploop", () => seed("parallels")],
    ["ploop", "PloopUnsupported", "ploop", ploopDescriptor],
    ["Bochs", "BochsUnsupported", "bochs", bochsDisk],
    ["cloop", "CloopUnsupported", "cloop", cloopDisk],
    ["dmg", "DmgUnsupported", "dmg", dmgDisk],
  ])("%s by its own name: %s", async (_, code, declared, build) => {
    expect(await codeOf(build(), declared)).toBe(code);
    for (const other of ["raw", "qcow2", "iso", "ami"]) {
      expect(await codeOf(build(), other)).toBe("ImageFormatMismatch");
    }
  });

  it.each<[SeedName, string]>([
    ["qcow2", "raw"],
    ["qcow2", "aki"],
    ["vmdk-sparse", "qcow2"],
    ["vmdk-flat", "raw"],
    ["vhd-fixed", "raw"],
    ["vhdx", "vhd"],
    ["luks", "raw"],
  ])("%s declared %s (CVE-2024-40767, CVE-2026-24708)", async (name, declared) => {
    expect(await codeOf(seed(name), declared, { allowEncrypted: true })).toBe("ImageFormatMismatch");
  });

  it.each(["qcow2", "vmdk", "vhd", "vhdx", "iso", "luks"])("plain bytes declared %s", async (declared) => {
    expect(await codeOf(Buffer.alloc(65_536), declared)).toBe("ImageFormatMismatch");
  });

  it.each(["zip", "", "RAW", "__proto__", "toString"])("the unknown declaration '%s'", async (declared) => {
    expect(await codeOf(Buffer.alloc(512), declared)).toBe("UnsupportedImageFormat");
  });

  it.each(["raw", "ami", "iso", "qcow2"])("an empty file declared %s", async (declared) => {
    const code = await codeOf(Buffer.alloc(0), declared);
    expect(["ImageEmpty", "ImageFormatMismatch"]).toContain(code);
  });

  it.each<[string, string, () => Buffer]>([
    ["qcow2 and ISO", "iso", patched(isoDisk, (disk) => seed("qcow2").copy(disk, 0, 0, 512))],
    [
      "raw and fixed VHD",
      "raw",
      patched(isoDisk, (disk) => seed("vhd-fixed").copy(disk, disk.length - 512, 1_079_296)),
    ],
    [
      "qcow2 and MBR",
      "qcow2",
      patched(
        () => seed("qcow2"),
        (disk) => mbrDisk().copy(disk, 446, 446, 512),
      ),
    ],
    [
      "VMDK and GPT",
      "vmdk",
      patched(
        () => seed("vmdk-sparse"),
        (disk) => gptDisk().copy(disk, 446, 446, 1024),
      ),
    ],
    [
      "LUKS and VDI",
      "luks",
      patched(
        () => seed("luks"),
        (disk) => disk.write("\x7f\x10\xda\xbe", 0x40, "latin1"),
      ),
    ],
    ["qcow2 and dmg", "qcow2", () => Buffer.concat([seed("qcow2"), dmgDisk()])],
    ["cloop and ISO", "iso", patched(isoDisk, (disk) => cloopDisk().copy(disk, 0, 0, 512))],
  ])("the polyglot %s", async (_, declared, build) => {
    expect(await codeOf(build(), declared)).toBe("ImagePolyglot");
  });

  it("a disk larger than the host takes", async () => {
    expect(await codeOf(seed("qcow2"), "qcow2", { maxVirtualSize: 1n << 20n })).toBe("ImageTooLarge");
  });

  it("with a message that names the image and cannot forge a log line", async () => {
    const image = seed("qcow2-backing");
    image.write("a\nERROR all is well\u001b[2J", 0x200);
    image.writeBigUInt64BE(0x200n, 8);
    image.writeUInt32BE(24, 16);
    const refused = checkBytes(image, "qcow2", { subject: "image 6a1f" });
    await expect(refused).rejects.toThrow(
      /^image 6a1f cannot be used: it has a backing file \([\x20-\x7e]*\);/u,
    );
  });
});
