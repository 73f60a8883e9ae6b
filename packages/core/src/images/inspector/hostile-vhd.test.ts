import { describe, expect, it } from "vitest";
import { codeOf } from "./fixtures/inspect-bytes.ts";
import { reseal } from "./fixtures/reseal.ts";
import { seed, type SeedName } from "./fixtures/seed.ts";

type Patch = (image: Buffer) => Uint8Array | void;
type Case = [title: string, code: string, patch: Patch, name?: SeedName];

/** Changes the footer and its copy. */
const footer = (patch: (footer: Buffer) => void): Patch => {
  return (image) => {
    for (const at of [0, image.length - 512]) {
      if (image.toString("latin1", at, at + 8) === "conectix") patch(image.subarray(at, at + 512));
    }
    reseal(image);
  };
};
const dynamic = (patch: (header: Buffer) => void): Patch => {
  return (image) => {
    patch(image.subarray(512, 1536));
    reseal(image);
  };
};

const VHD: Case[] = [
  ["a differencing disk", "VhdDifferencing", footer((bytes) => bytes.writeUInt32BE(4, 60))],
  ["a parent in a dynamic disk", "VhdDifferencing", dynamic((header) => header.fill(1, 40, 56))],
  ["a wrong checksum", "VhdChecksum", (image) => void image.writeUInt8(1, image.length - 420)],
  ["a wrong checksum of the dynamic header", "VhdChecksum", (image) => void image.writeUInt8(1, 512 + 900)],
  [
    "a header that is not its footer",
    "VhdFooterMismatch",
    (image) => {
      image.writeUInt8(9, 55);
      reseal(image);
    },
  ],
  ["no header before a dynamic disk", "VhdFooterMismatch", (image) => void image.fill(0, 0, 512)],
  [
    "a fixed disk with a header",
    "VhdFooterMismatch",
    (image) => void image.copy(image, 0, image.length - 512),
    "vhd-fixed",
  ],
  ["an unknown type", "VhdFooterInvalid", footer((bytes) => bytes.writeUInt32BE(6, 60))],
  ["version 2", "VhdFooterInvalid", footer((bytes) => bytes.writeUInt32BE(0x0002_0000, 12))],
  [
    "a fixed disk that points at a dynamic header",
    "VhdFooterInvalid",
    footer((bytes) => bytes.fill(0, 16, 24)),
    "vhd-fixed",
  ],
  ["a suspended machine", "VhdSavedState", footer((bytes) => bytes.writeUInt8(1, 84))],
  [
    "an absurd size",
    "VhdVirtualSize",
    footer((bytes) => {
      bytes.write("win ", 28);
      bytes.fill(0xff, 48, 56);
    }),
  ],
  [
    "a fixed disk larger than its file",
    "ImageTruncated",
    footer((bytes) => {
      bytes.write("win ", 28);
      bytes.writeBigUInt64BE(1n << 30n, 48);
    }),
    "vhd-fixed",
  ],
  ["no dynamic header", "VhdDynamicHeader", dynamic((header) => header.write("cxsparsE"))],
  ["a dynamic header outside the file", "ImageTruncated", footer((bytes) => bytes.fill(0xff, 16, 24))],
  ["blocks of no size", "VhdDynamicHeader", dynamic((header) => header.writeUInt32BE(0, 32))],
  ["blocks of 3 MiB", "VhdDynamicHeader", dynamic((header) => header.writeUInt32BE(3 << 20, 32))],
  ["a block table too small", "VhdBlockTable", dynamic((header) => header.writeUInt32BE(1, 28))],
  ["an absurd block table", "ImageTruncated", dynamic((header) => header.writeUInt32BE(0xffff_ffff, 28))],
  ["a block table outside the file", "ImageTruncated", dynamic((header) => header.fill(0xff, 16, 24))],
  ["a block outside the file", "ImageTruncated", (image) => void image.writeUInt32BE(0x1000, 1536)],
  ["a footer cut off", "ImageTruncated", (image) => image.subarray(0, 2048)],
  ["a footer of 511 bytes", "VhdFooterInvalid", (image) => image.subarray(0, -1), "vhd-fixed"],
];

describe("checkImage refuses VHD with", () => {
  it.each(VHD)("%s: %s", async (_, code, patch, name = "vhd-dynamic") => {
    const image = seed(name);
    expect(await codeOf(patch(image) ?? image, "vhd")).toBe(code);
  });
});
