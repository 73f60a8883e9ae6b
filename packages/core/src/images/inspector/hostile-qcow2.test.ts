import { describe, expect, it } from "vitest";
import { codeOf } from "./fixtures/inspect-bytes.ts";
import { seed, type SeedName } from "./fixtures/seed.ts";

type Patch = (image: Buffer) => Uint8Array | void;
type Case = [title: string, code: string, patch: Patch, name?: SeedName];

const u32 = (at: number, value: number): Patch => {
  return (image) => void image.writeUInt32BE(value, at);
};
const u64 = (at: number, value: bigint): Patch => {
  return (image) => void image.writeBigUInt64BE(value, at);
};
const bits = (value: bigint): Patch => u64(72, value);
const cut = (length: number): Patch => {
  return (image) => image.subarray(0, length);
};
const all = (...patches: Patch[]): Patch => {
  return (image) => {
    for (const patch of patches) patch(image);
  };
};
/** An extension right after the header of 112 bytes. */
const extension = (type: number, length: number): Patch => all(u32(112, type), u32(116, length));

const CASES: Case[] = [
  ["a backing file", "Qcow2BackingFile", () => {}, "qcow2-backing"],
  ["a backing file without a name (CVE-2024-32498's neighbour)", "Qcow2BackingFile", u64(8, 0x200n)],
  ["a backing file named beyond the file", "Qcow2BackingFile", all(u64(8, 1n << 62n), u32(16, 1023))],
  ["a backing file in version 2", "Qcow2BackingFile", u64(8, 0x200n), "qcow2-v2"],
  ["an external data file (CVE-2024-32498)", "Qcow2DataFile", () => {}, "qcow2-data-file"],
  ["an external data file's bit without its name", "Qcow2DataFile", bits(4n)],
  ["an external data file's name without its bit", "Qcow2DataFile", bits(0n), "qcow2-data-file"],
  ["a raw data file by its autoclear bit alone", "Qcow2DataFile", u64(88, 2n)],
  ["an unknown incompatible feature", "Qcow2UnknownFeatures", bits(1n << 5n)],
  ["the last incompatible feature bit", "Qcow2UnknownFeatures", bits(1n << 63n)],
  ["extended L2 entries", "Qcow2ExtendedL2", () => {}, "qcow2-extended-l2"],
  ["the dirty bit", "Qcow2Dirty", bits(1n)],
  ["the corrupt bit", "Qcow2Corrupt", bits(2n)],
  ["version 4", "Qcow2Version", u32(4, 4)],
  ["version 0", "Qcow2Version", u32(4, 0)],
  ["clusters of 256 bytes", "Qcow2ClusterSize", u32(20, 8)],
  ["clusters of 4 MiB", "Qcow2ClusterSize", u32(20, 22)],
  ["clusters of 2^4294967295 bytes", "Qcow2ClusterSize", u32(20, 0xffff_ffff)],
  ["an absurd virtual size", "Qcow2VirtualSize", u64(24, 0xffff_ffff_ffff_ffffn)],
  ["a virtual size beyond its L1 table", "Qcow2L1Table", u64(24, 1n << 40n)],
  ["a virtual size of nothing", "ImageEmpty", u64(24, 0n)],
  ["an absurd L1 size", "Qcow2L1Table", u32(36, 0xffff_ffff)],
  ["a virtual size of half a sector", "Qcow2VirtualSize", u64(24, 256n)],
  ["an L1 table over the header", "Qcow2L1Table", u64(40, 0n)],
  ["an L1 table off its cluster", "Qcow2L1Table", u64(40, 0x3_0008n)],
  ["an L1 table outside the file", "ImageTruncated", u64(40, 0x100_0000n)],
  ["an L1 table at the end of the number range", "ImageTruncated", u64(40, 0xffff_ffff_ffff_0000n)],
  ["an L1 entry outside the file", "Qcow2L1Table", u64(0x3_0000, 0x8000_0000_1000_0000n)],
  ["an L1 entry with reserved bits", "Qcow2L1Table", u64(0x3_0000, 0x8000_0000_0001_0001n)],
  ["a refcount table outside the file", "ImageTruncated", u64(48, 0x100_0000n)],
  ["a refcount table over the header", "Qcow2RefcountTable", u64(48, 0n)],
  ["a refcount table over the L1 table", "Qcow2RefcountTable", all(u64(40, 0x1_0000n), u64(48, 0x1_0000n))],
  ["no refcount table", "Qcow2RefcountTable", u32(56, 0)],
  ["an absurd refcount table", "Qcow2RefcountTable", u32(56, 0xffff_ffff)],
  ["a refcount block outside the file", "Qcow2RefcountTable", u64(0x1_0000, 0x1000_0000n)],
  ["an absurd refcount order", "Qcow2RefcountOrder", u32(96, 7)],
  ["4 billion snapshots", "Qcow2Snapshots", u32(60, 0xffff_ffff)],
  ["one snapshot", "Qcow2Snapshots", () => {}, "qcow2-snapshot"],
  ["a snapshot table off its cluster", "Qcow2Snapshots", u64(64, 0xffffn)],
  ["a snapshot table outside the file", "ImageTruncated", all(u32(60, 1), u64(64, 1n << 40n))],
  ["a header shorter than version 3's", "Qcow2HeaderLength", u32(100, 72)],
  ["a header longer than its cluster", "Qcow2HeaderLength", u32(100, 0x2_0000)],
  ["a header of odd length", "Qcow2HeaderLength", u32(100, 109)],
  ["an extension that overruns its cluster", "Qcow2HeaderExtensions", extension(0x6803_f857, 0xffff_fff0)],
  [
    "an extension that hides others behind 64 KiB",
    "Qcow2HeaderExtensions",
    all(u32(20, 21), extension(9, 65_416)),
  ],
  ["a compression type without its bit", "Qcow2CompressionType", (image) => void image.writeUInt8(1, 104)],
  [
    "an unknown compression type",
    "Qcow2CompressionType",
    all(bits(8n), (image) => void image.writeUInt8(2, 104)),
  ],
  ["the compression bit without a type", "Qcow2CompressionType", bits(8n)],
  ["qcow2's own AES", "Qcow2AesEncryption", () => {}, "qcow2-aes"],
  ["an unknown crypt_method", "Qcow2CryptMethod", u32(32, 3)],
  ["encryption without its header", "Qcow2CryptoHeader", u32(32, 2)],
  ["an encryption header without encryption", "Qcow2CryptoHeader", u32(32, 0), "qcow2-luks"],
  ["an encryption header off its cluster", "Qcow2CryptoHeader", u64(120, 0x4_0200n), "qcow2-luks"],
  ["an encryption header too short for its slots", "Qcow2CryptoHeader", u64(128, 8192n), "qcow2-luks"],
  ["an encryption header outside the file", "ImageTruncated", u64(120, 1n << 40n), "qcow2-luks"],
  ["LUKS that is no LUKS", "LuksHeaderInvalid", u32(0x4_0000, 0), "qcow2-luks"],
  ["LUKS2 inside", "LuksVersionUnsupported", u32(0x4_0004, 0xbabe_0002), "qcow2-luks"],
  ["LUKS with 4 billion iterations", "LuksHeaderHostile", u32(0x4_0000 + 212, 0xffff_ffff), "qcow2-luks"],
  ["LUKS with an unknown cipher", "LuksCipherUnsupported", u32(0x4_0008, 0x7878_7800), "qcow2-luks"],
  ["sound encryption that is not wanted", "ImageEncrypted", () => {}, "qcow2-luks"],
  ["a file cut within its header", "ImageTruncated", cut(80)],
  ["a file cut after its magic", "ImageTruncated", cut(4)],
  ["a file cut after its header", "ImageTruncated", cut(4096)],
];

describe("checkImage refuses qcow2 with", () => {
  it.each(CASES)("%s: %s", async (_, code, patch, name = "qcow2") => {
    const image = seed(name);
    const policy = { allowEncrypted: code !== "ImageEncrypted" };
    expect(await codeOf(patch(image) ?? image, "qcow2", policy)).toBe(code);
  });
});
