import { describe, expect, it } from "vitest";
import { codeOf } from "./fixtures/inspect-bytes.ts";
import { reseal } from "./fixtures/reseal.ts";
import { seed } from "./fixtures/seed.ts";

type Patch = (image: Buffer) => Uint8Array | void;
type Case = [title: string, code: string, patch: Patch];

const HEADERS = [0x1_0000, 0x2_0000];
const TABLES = [0x3_0000, 0x4_0000];
const METADATA = 0x30_0000;

const each = (places: number[], patch: (image: Buffer, at: number) => void): Patch => {
  return (image) => {
    for (const at of places) patch(image, at);
    reseal(image);
  };
};
const item = (at: number, value: number): Patch => {
  return (image) => void image.writeUInt32LE(value, METADATA + 0x1_0000 + at);
};

const VHDX: Case[] = [
  ["a parent", "VhdxHasParent", item(4, 2)],
  [
    "a parent's place",
    "VhdxHasParent",
    (image) => {
      image.writeUInt16LE(6, METADATA + 10);
      image.write("2d5fd3a80bb34d45abf7d3d84834ab0c", METADATA + 192, "hex");
      image.writeUInt32LE(0x1_0000, METADATA + 208);
    },
  ],
  [
    "a log that is not empty",
    "VhdxLogNotEmpty",
    each(HEADERS, (image, at) => image.fill(1, at + 48, at + 64)),
  ],
  ["version 2", "VhdxHeaderInvalid", each(HEADERS, (image, at) => image.writeUInt16LE(2, at + 66))],
  ["a log of version 1", "VhdxHeaderInvalid", each(HEADERS, (image, at) => image.writeUInt16LE(1, at + 64))],
  [
    "no valid header",
    "VhdxHeaderInvalid",
    (image) => void HEADERS.map((at) => image.writeUInt8(1, at + 100)),
  ],
  [
    "a log in its header section",
    "VhdxHeaderInvalid",
    each(HEADERS, (image, at) => image.fill(0, at + 72, at + 80)),
  ],
  [
    "a log outside the file",
    "ImageTruncated",
    each(HEADERS, (image, at) => image.writeUInt32LE(0x4000_0000, at + 68)),
  ],
  [
    "no valid region table",
    "VhdxRegionTable",
    (image) => void TABLES.map((at) => image.writeUInt8(1, at + 200)),
  ],
  [
    "4 billion regions",
    "VhdxRegionTable",
    each(TABLES, (image, at) => image.writeUInt32LE(0xffff_ffff, at + 8)),
  ],
  [
    "region tables that differ",
    "VhdxRegionTable",
    (image) => {
      image.writeUInt8(1, 0x4_0000 + 300);
      reseal(image);
    },
  ],
  ["no metadata region", "VhdxRegionTable", each(TABLES, (image, at) => image.writeUInt32LE(1, at + 8))],
  [
    "a region twice",
    "VhdxRegionTable",
    each(TABLES, (image, at) => image.copy(image, at + 48, at + 16, at + 48)),
  ],
  [
    "a region off its MiB",
    "VhdxRegionTable",
    each(TABLES, (image, at) => image.writeUInt32LE(0x30_0200, at + 64)),
  ],
  [
    "regions that overlap",
    "VhdxRegionOverlap",
    each(TABLES, (image, at) => image.writeUInt32LE(0x20_0000, at + 64)),
  ],
  [
    "a region over the header section",
    "VhdxRegionOverlap",
    each(TABLES, (image, at) => image.writeUInt32LE(0, at + 64)),
  ],
  [
    "a region over the log",
    "VhdxRegionOverlap",
    each(TABLES, (image, at) => image.writeUInt32LE(0x10_0000, at + 64)),
  ],
  [
    "a region outside the file",
    "ImageTruncated",
    each(TABLES, (image, at) => image.writeUInt32LE(0x1000_0000, at + 64)),
  ],
  [
    "a region that must be understood",
    "VhdxUnknownRegion",
    each(TABLES, (image, at) => {
      image.writeUInt32LE(3, at + 8);
      image.fill(9, at + 80, at + 112);
    }),
  ],
  ["no metadata", "VhdxMetadata", (image) => void image.write("metadatA", METADATA)],
  ["65535 metadata items", "VhdxMetadata", (image) => void image.writeUInt16LE(0xffff, METADATA + 10)],
  [
    "metadata outside its region",
    "VhdxMetadata",
    (image) => void image.writeUInt32LE(0xffff_0000, METADATA + 48),
  ],
  ["metadata inside its table", "VhdxMetadata", (image) => void image.writeUInt32LE(32, METADATA + 48)],
  ["no disk size", "VhdxMetadata", (image) => void image.writeUInt16LE(1, METADATA + 10)],
  [
    "metadata that must be understood",
    "VhdxUnknownMetadata",
    (image) => void image.fill(7, METADATA + 96, METADATA + 112),
  ],
  ["blocks of 512 bytes", "VhdxBlockSize", item(0, 512)],
  ["blocks of 512 MiB", "VhdxBlockSize", item(0, 512 << 20)],
  ["blocks of 3 MiB", "VhdxBlockSize", item(0, 3 << 20)],
  ["sectors of 1 byte", "VhdxSectorSize", item(32, 1)],
  ["a size of 2^62", "VhdxVirtualSize", item(12, 0x4000_0000)],
  ["half a sector", "VhdxVirtualSize", item(8, 256)],
  ["a size beyond its block table", "VhdxBlockTable", item(12, 0x3000)],
  ["a block that a parent completes", "VhdxBlockTable", (image) => void image.writeUInt8(7, 0x20_0000)],
  ["a block outside the file", "ImageTruncated", (image) => void image.writeUInt32LE(0xfff0_0006, 0x20_0000)],
  ["a file cut within its headers", "ImageTruncated", (image) => image.subarray(0, 0x2_0000)],
  ["a file cut within its regions", "ImageTruncated", (image) => image.subarray(0, 0x28_0000)],
];

describe("checkImage refuses VHDX with", () => {
  it.each(VHDX)("%s: %s", async (_, code, patch) => {
    const image = seed("vhdx");
    expect(await codeOf(patch(image) ?? image, "vhdx")).toBe(code);
  });
});
