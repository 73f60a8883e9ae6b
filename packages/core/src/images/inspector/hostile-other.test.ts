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
import { reseal } from "./fixtures/reseal.ts";
import { seed, type SeedName } from "./fixtures/seed.ts";

type Case = [title: string, code: string, declared: string, build: () => Buffer];
const gpt = (patch: (disk: Buffer) => void): (() => Buffer) => {
  return () => {
    const disk = gptDisk();
    patch(disk);
    return reseal(disk);
  };
};
const patched = (build: () => Buffer, patch: (disk: Buffer) => void): (() => Buffer) => {
  return () => {
    const disk = build();
    patch(disk);
    return disk;
  };
};

const TABLES: Case[] = [
  [
    "a GPT with a wrong checksum",
    "GptHeaderInvalid",
    "raw",
    patched(gptDisk, (disk) => disk.writeUInt8(9, 560)),
  ],
  ["a GPT that is elsewhere", "GptHeaderInvalid", "raw", gpt((disk) => disk.writeBigUInt64LE(5n, 512 + 24))],
  ["a GPT header of 4 GiB", "GptHeaderInvalid", "raw", gpt((disk) => disk.writeUInt32LE(0xffff_ffff, 524))],
  [
    "GPT entries over the header",
    "GptHeaderInvalid",
    "raw",
    gpt((disk) => disk.writeBigUInt64LE(1n, 512 + 72)),
  ],
  ["GPT entries of 256 bytes", "GptEntriesInvalid", "raw", gpt((disk) => disk.writeUInt32LE(256, 512 + 84))],
  [
    "4 billion GPT entries",
    "GptEntriesInvalid",
    "raw",
    gpt((disk) => disk.writeUInt32LE(0xffff_ffff, 512 + 80)),
  ],
  [
    "GPT entries with a wrong checksum",
    "GptEntriesInvalid",
    "raw",
    patched(gptDisk, (disk) => disk.writeUInt8(9, 1100)),
  ],
  [
    "a GPT partition behind the last sector",
    "GptEntriesInvalid",
    "raw",
    gpt((disk) => disk.writeBigUInt64LE(9999n, 1024 + 40)),
  ],
  [
    "a GPT for a larger disk",
    "GptOutsideImage",
    "raw",
    gpt((disk) => disk.writeBigUInt64LE(9999n, 512 + 48)),
  ],
  ["a truncated GPT disk", "GptOutsideImage", "raw", () => gptDisk().subarray(0, 65_536)],
  [
    "GPT entries at the end of the number range",
    "GptOutsideImage",
    "raw",
    gpt((disk) => disk.fill(0xff, 512 + 72, 512 + 80)),
  ],
  [
    "a GPT without a protective MBR",
    "ProtectiveMbrInvalid",
    "raw",
    patched(gptDisk, (disk) => disk.fill(0, 0, 512)),
  ],
  [
    "a protective MBR with a second entry",
    "ProtectiveMbrInvalid",
    "raw",
    patched(gptDisk, (disk) => disk.writeUInt8(0x83, 466)),
  ],
  [
    "a protective MBR that starts late",
    "ProtectiveMbrInvalid",
    "raw",
    patched(gptDisk, (disk) => disk.writeUInt8(2, 454)),
  ],
  [
    "a protective MBR without a GPT",
    "GptHeaderInvalid",
    "raw",
    patched(gptDisk, (disk) => disk.fill(0, 512, 1024)),
  ],
  [
    "an MBR with impossible boot flags",
    "MbrInvalid",
    "raw",
    patched(mbrDisk, (disk) => disk.writeUInt8(0x12, 446)),
  ],
  ["an MBR without partitions", "MbrInvalid", "raw", patched(mbrDisk, (disk) => disk.fill(0, 446, 510))],
  ["an image declared gpt without a table", "PartitionTableMissing", "gpt", () => Buffer.alloc(4096)],
  [
    "an ISO that contradicts itself",
    "IsoInvalid",
    "iso",
    patched(isoDisk, (disk) => disk.writeUInt32BE(9, 0x8054)),
  ],
  [
    "an ISO without a primary descriptor",
    "IsoInvalid",
    "iso",
    patched(isoDisk, (disk) => disk.writeUInt8(2, 0x8000)),
  ],
  [
    "a truncated ISO",
    "ImageTruncated",
    "iso",
    patched(isoDisk, (disk) => {
      disk.writeUInt32LE(0x10_0000, 0x8050);
      disk.writeUInt32BE(0x10_0000, 0x8054);
    }),
  ],
];

const LUKS: Case[] = [
  [
    "LUKS2",
    "LuksVersionUnsupported",
    "luks",
    patched(
      () => seed("luks"),
      (disk) => disk.writeUInt16BE(2, 6),
    ),
  ],
  [
    "LUKS2 by its second header alone",
    "LuksHeaderInvalid",
    "luks",
    () => {
      const disk = Buffer.alloc(0x2_0000);
      disk.write("SKUL\xba\xbe", 0x4000, "latin1");
      return disk;
    },
  ],
  [
    "LUKS with 4 billion iterations",
    "LuksHeaderHostile",
    "luks",
    patched(
      () => seed("luks"),
      (disk) => disk.fill(0xff, 212, 216),
    ),
  ],
  [
    "LUKS with overlapping slots",
    "LuksHeaderInvalid",
    "luks",
    patched(
      () => seed("luks"),
      (disk) => disk.writeUInt32BE(8, 208 + 48 + 40),
    ),
  ],
  [
    "LUKS with a payload in its header",
    "LuksHeaderInvalid",
    "luks",
    patched(
      () => seed("luks"),
      (disk) => disk.writeUInt32BE(1, 104),
    ),
  ],
  ["LUKS cut within its header", "LuksHeaderInvalid", "luks", () => seed("luks").subarray(0, 300)],
  ["LUKS cut before its payload", "ImageTruncated", "luks", () => seed("luks").subarray(0, 1 << 20)],
  [
    "LUKS whose payload is far behind",
    "ImageTruncated",
    "luks",
    patched(
      () => seed("luks"),
      (disk) => disk.fill(0xff, 104, 108),
    ),
  ],
];

describe("checkImage refuses", () => {
  it.each([...TABLES, ...LUKS])("%s: %s", async (_, code, declared, build) => {
    expect(await codeOf(build(), declared, { allowEncrypted: true })).toBe(code);
  });

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
