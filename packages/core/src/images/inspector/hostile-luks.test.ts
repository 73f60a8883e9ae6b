import { describe, expect, it } from "vitest";
import { codeOf } from "./fixtures/inspect-bytes.ts";
import { seed } from "./fixtures/seed.ts";

type Case = [title: string, code: string, declared: string, build: () => Buffer];
const patched = (build: () => Buffer, patch: (disk: Buffer) => void): (() => Buffer) => {
  return () => {
    const disk = build();
    patch(disk);
    return disk;
  };
};

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
    "LUKS with an unknown hash",
    "LuksCipherUnsupported",
    "luks",
    patched(
      () => seed("luks"),
      (disk) => disk.write("sha9", 72),
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
  it.each(LUKS)("%s: %s", async (_, code, declared, build) => {
    expect(await codeOf(build(), declared, { allowEncrypted: true })).toBe(code);
  });
});
