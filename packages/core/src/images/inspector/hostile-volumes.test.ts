import { describe, expect, it } from "vitest";
import { gptDisk, isoDisk, mbrDisk } from "./fixtures/disks.ts";
import { codeOf } from "./fixtures/inspect-bytes.ts";
import { reseal } from "./fixtures/reseal.ts";

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

describe("checkImage refuses", () => {
  it.each(TABLES)("%s: %s", async (_, code, declared, build) => {
    expect(await codeOf(build(), declared, { allowEncrypted: true })).toBe(code);
  });
});
