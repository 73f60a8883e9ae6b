import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { SIGNATURE_BYTES, signatureOf } from "./signature.ts";

const directory = mkdtempSync(join(tmpdir(), "signature-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function madeBy(program: string, ...args: string[]): Uint8Array {
  const path = join(directory, "disk");
  writeFileSync(path, "");
  truncateSync(path, 64 << 20);
  execFileSync(program, [...args, path], { stdio: "pipe" });
  return readFileSync(path).subarray(0, SIGNATURE_BYTES);
}

describe("signatureOf", () => {
  test.each([
    ["an ext2, ext3 or ext4 file system", "mke2fs", ["-q", "-t", "ext4"]],
    ["swap space", "mkswap", []],
    ["a FAT file system", "mkfs.vfat", ["-F", "32"]],
  ] as const)("knows %s", (what, program, args) => {
    expect(signatureOf(madeBy(program, ...args))).toBe(what);
  });

  test("knows a partition table, and zeros", () => {
    const mbr = new Uint8Array(SIGNATURE_BYTES);
    mbr.set([0x80], 446);
    mbr.set([0x55, 0xaa], 510);
    expect(signatureOf(mbr)).toBe("a partition table (MBR)");
    expect(signatureOf(new Uint8Array(4096))).toBe("zeros");
    expect(signatureOf(new Uint8Array())).toBeUndefined();
  });

  test("does not take noise for a disk", () => {
    for (let round = 0; round < 200; round += 1) {
      const noise = randomBytes(SIGNATURE_BYTES);
      expect(signatureOf(noise)).toBeUndefined();
      // The two bytes that a boot sector and ext have alone are not enough.
      noise.set([0x55, 0xaa], 510);
      noise.set([0x53, 0xef], 1024 + 56);
      noise.set([7], 446);
      noise.set([255, 255, 255, 255], 1024 + 24);
      expect(signatureOf(noise)).toBeUndefined();
    }
  });
});
