import { describe, expect, it } from "vitest";
import { codeOf } from "./fixtures/inspect-bytes.ts";
import { seed, type SeedName } from "./fixtures/seed.ts";
import { vmdkWithFooter } from "./fixtures/vmdk-footer-image.ts";

type Patch = (image: Buffer) => Uint8Array | void;

const u32 = (at: number, value: number): Patch => {
  return (image) => void image.writeUInt32LE(value, at);
};
const u64 = (at: number, value: bigint): Patch => {
  return (image) => void image.writeBigUInt64LE(value, at);
};
/** Rewrites the descriptor in place. */
const text = (from: string | RegExp, to: string): Patch => {
  return (image) => {
    const old = image.toString("latin1", 512, 21 * 512);
    const end = old.indexOf("\0");
    image.fill(0, 512, 21 * 512);
    image.write(old.slice(0, end).replace(from, to), 512, "latin1");
  };
};
type Case = [title: string, code: string, patch: Patch, name?: SeedName | "footer"];
const CASES: Case[] = [
  ["version 4", "VmdkVersion", u32(4, 4)],
  ["no capacity, so that extents are opened", "VmdkHeaderInvalid", u64(12, 0n)],
  ["newlines that a text transfer changed", "VmdkHeaderInvalid", (image) => void image.write("\n\n", 75)],
  ["grains of one sector", "VmdkGrainSize", u64(20, 1n)],
  ["grains of 1 TiB", "VmdkGrainSize", u64(20, 1n << 31n)],
  ["grains of 100 sectors", "VmdkGrainSize", u64(20, 100n)],
  ["grain tables of no entries", "VmdkGrainTables", u32(44, 0)],
  ["an absurd capacity", "VmdkGrainTables", u64(12, 1n << 62n)],
  ["a grain directory outside the file", "ImageTruncated", u64(56, 1n << 40n)],
  ["a redundant directory outside the file", "ImageTruncated", u64(48, 1n << 40n)],
  [
    "a grain table outside the file",
    "ImageTruncated",
    (image) => {
      image.writeUInt32LE(0xffff_fff0, Number(image.readBigUInt64LE(56)) * 512);
    },
  ],
  ["a descriptor elsewhere", "VmdkDescriptorMisplaced", u64(28, 2n)],
  ["no descriptor", "VmdkDescriptorMisplaced", u64(36, 0n)],
  ["a descriptor of 1 GiB", "VmdkDescriptorTooLarge", u64(36, 1n << 21n)],
  ["a descriptor beyond the file", "ImageTruncated", (image) => image.subarray(0, 4096)],
  ["a descriptor without an end", "VmdkDescriptorInvalid", (image) => void image.fill("#", 512, 21 * 512)],
  [
    "a second text behind the descriptor's end",
    "VmdkDescriptorInvalid",
    (image) => {
      image.write('createType="monolithicFlat"', 20 * 512);
    },
  ],
  ["a descriptor that is not ASCII", "VmdkDescriptorInvalid", text("version=1", "version=1\nx=\xe9")],
  ["a line that nobody knows", "VmdkDescriptorInvalid", text("version=1", "version=1\nsome words")],
  ["two create types", "VmdkDescriptorInvalid", text("version=1", 'version=1\ncreateType="vmfs"')],
  [
    "a create type in a comment, where QEMU finds it",
    "VmdkDescriptorInvalid",
    text("# Disk", '# createType="vmfs"\n#'),
  ],
  ["no create type", "VmdkDescriptorInvalid", text(/createType=.*/u, "")],
  ["a flat create type", "VmdkCreateType", text("monolithicSparse", "monolithicFlat")],
  ["a create type that nobody knows", "VmdkCreateType", text("monolithicSparse", "mine")],
  ["a parent by its CID", "VmdkHasParent", text("parentCID=ffffffff", "parentCID=12345678")],
  ["a parent by its file", "VmdkHasParent", text("version=1", 'version=1\nparentFileNameHint="/etc/passwd"')],
  [
    "a parent's file in a comment, where QEMU finds it",
    "VmdkHasParent",
    text("# The", '# parentFileNameHint="x" '),
  ],
  ["an extent with an absolute path", "VmdkExtentPath", text(/"[^"]*vmdk-sparse"/u, '"/etc/passwd"')],
  ["an extent in another directory", "VmdkExtentPath", text(/"[^"]*vmdk-sparse"/u, '"../secret"')],
  ["an extent by a protocol", "VmdkExtentPath", text(/"[^"]*vmdk-sparse"/u, '"nbd:host"')],
  ["two extents", "VmdkExtents", text("# The", 'RW 20480 SPARSE "b.vmdk"\n#')],
  ["no extent", "VmdkExtents", text(/^RW.*$/mu, "")],
  ["a flat extent in a sparse file", "VmdkDescriptorMismatch", text("SPARSE", "FLAT")],
  ["an extent of another size", "VmdkDescriptorMismatch", text("RW 20480", "RW 99999999")],
  [
    "stream-optimized without compression",
    "VmdkDescriptorMismatch",
    text("monolithicSparse", "streamOptimized"),
  ],
  ["compression that is not declared", "VmdkDescriptorMismatch", u32(8, 0x1_0003)],
  ["a footer that is not there", "VmdkFooterMismatch", u64(56, 0xffff_ffff_ffff_ffffn)],
  [
    "a footer with another capacity",
    "VmdkFooterMismatch",
    (image) => void image.writeUInt8(9, image.length - 1012),
    "footer",
  ],
  [
    "a footer with another descriptor",
    "VmdkFooterMismatch",
    (image) => void image.writeUInt8(9, image.length - 996),
    "footer",
  ],
  [
    "a footer that sends on to a footer",
    "VmdkFooterMismatch",
    (image) => void image.fill(0xff, image.length - 968, image.length - 960),
    "footer",
  ],
  [
    "a footer behind the wrong marker",
    "VmdkFooterMismatch",
    (image) => void image.writeUInt8(1, image.length - 1524),
    "footer",
  ],
  [
    "a footer and no end marker",
    "VmdkFooterMismatch",
    (image) => void image.writeUInt8(1, image.length - 100),
    "footer",
  ],
  [
    "a footer off its sector",
    "VmdkFooterMismatch",
    (image) => Buffer.concat([image, Buffer.alloc(1)]),
    "footer",
  ],
  ["ESXi's COWD", "VmdkCreateType", (image) => void image.write("COWD")],
  ["ESXi's seSparse", "VmdkCreateType", (image) => void image.write("\xbe\xba\xfe\xca\0\0\0\0", "latin1")],
  ["a file cut within its header", "ImageTruncated", (image) => image.subarray(0, 100)],
];

describe("checkImage refuses VMDK with", () => {
  it.each(CASES)("%s: %s", async (_, code, patch, name = "vmdk-sparse") => {
    const image = name === "footer" ? vmdkWithFooter() : seed(name);
    expect(await codeOf(patch(image) ?? image, "vmdk")).toBe(code);
  });
});
