import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  checkFilesystem,
  probe,
  qemuCheck,
  qemuDecrypt,
  qemuIo,
  rawBytesContain,
  runTool,
  tempDirectory,
} from "../../../testing/src/index.ts";
import { MIB, openBench, printOf } from "./disks.ts";

const GIB = 1024 * MIB;

const DISKS = [
  { name: "disk.eph0", format: "ext4", bytes: GIB, label: "ephemeral0", base: /^ephemeral_1_[0-9a-f]{7}$/ },
  { name: "disk.eph0", format: "vfat", bytes: GIB, label: "ephemeral0", base: /^ephemeral_1_[0-9a-f]{7}$/ },
  { name: "disk.swap", format: "swap", bytes: 64 * MIB, label: undefined, base: /^swap_64$/ },
] as const;

describe.each(DISKS)("a disk with $format", ({ name, format, bytes, label, base }) => {
  test.each([true, false])("is an overlay on a shared base (encrypted: %s)", async (encrypted) => {
    await using bench = await openBench();
    const source = { kind: "filesystem", format, ...(label ? { label } : {}) } as const;
    const described = { name, virtualSize: BigInt(bytes) };
    const made = await bench.describe(described);
    const { encryption: _none, ...bare } = made.disk;
    const image = encrypted ? made.image : bench.image(bare);
    const passphrase = encrypted ? made.passphrase : undefined;
    await image.create({ source, ...(passphrase ? { passphrase } : {}) }, made.undo, bench.ctx);
    const backing = image.source().backing;
    expect(basename(backing?.file ?? "")).toMatch(base);
    const before = printOf(backing?.file ?? "");

    const disk = { path: image.path, format: "qcow2", passphrase } as const;
    const plain = join(tempDirectory(), "plain");
    await qemuCheck(disk);
    await qemuDecrypt(disk, plain);
    expect(await probe(plain)).toEqual({ type: format, label });
    await checkFilesystem(plain, format);

    const at = bytes - 4096;
    await qemuIo(disk, [`write -P 0xa5 ${at} 4096`, `read -P 0xa5 ${at} 4096`]);
    expect(await rawBytesContain(image.path, Buffer.alloc(64, 0xa5))).toBe(!encrypted);
    if (format === "ext4") {
      // The guest's own tools rewrite it, through the encryption.
      await runTool("qemu-img", ["convert", "-O", "raw", backing?.file ?? "", plain]);
      await checkFilesystem(plain, format);
    }
    expect(printOf(backing?.file ?? "")).toBe(before);
    await qemuCheck(disk);
  });
});

describe("a blank disk", () => {
  test("stands alone and reads as zeros", async () => {
    await using bench = await openBench();
    const { image, passphrase } = await bench.create();
    expect(image.source().backing).toBeUndefined();
    const disk = { path: image.path, format: "qcow2", passphrase } as const;
    await qemuIo(disk, ["read -P 0 0 4M"]);
    await qemuCheck(disk);
  });
});
