import { linkSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { open, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { VerifyReport } from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { tempDirectory } from "../../../testing/src/index.ts";
import { MIB, openBench, overlay } from "./disks.ts";
import { luksOffset } from "./qcow2-fixture.ts";

const failed = (report: VerifyReport): readonly string[] =>
  report.checks.filter(({ result }) => result === "fail").map(({ name }) => name);

/** Ways to lose the image's own header; the LUKS area behind it is whole. */
const DAMAGE = [
  ["overwritten", 0, Buffer.alloc(65_536, 0xee)],
  ["of another version", 4, Buffer.from([0, 0, 0, 9])],
  ["without encryption", 32, Buffer.alloc(4)],
  ["with an unknown feature", 72, Buffer.alloc(8, 0xff)],
] as const;

describe.each(DAMAGE)("a disk whose qcow2 header is %s", (_what, at, bytes) => {
  test("fails to verify, is not grown, and is erased and removed by who recorded it", async () => {
    await using bench = await openBench();
    const { image, disk } = await bench.create();
    const recorded = await image.identify(bench.ctx);
    if (!recorded) throw new Error("the disk is there");
    const keyMaterial = luksOffset(image.path) + 4096;
    const kept = join(tempDirectory(), "kept");
    linkSync(image.path, kept);
    const file = await open(image.path, "r+");
    await file.write(bytes, 0, bytes.length, at);
    await file.close();
    const before = await bench.fixture.contents();
    const fresh = bench.image(disk);
    expect(failed(await fresh.verify(bench.ctx))).toContain("header");
    await expect(fresh.resize(BigInt(8 * MIB), bench.ctx)).rejects.toMatchObject({
      category: expect.stringMatching(/integrity|unsupported/) as string,
    });
    await expect(fresh.requireOurs(undefined, bench.ctx)).rejects.toMatchObject({ code: "DiskReplaced" });
    expect(await bench.fixture.contents()).toEqual(before);

    const whole = readFileSync(kept).subarray(keyMaterial, keyMaterial + 256_000);
    expect(await fresh.requireOurs(recorded, bench.ctx)).toEqual(recorded);
    await fresh.remove(recorded, bench.ctx);
    expect(await fresh.identify(bench.ctx)).toBeUndefined();
    const after = readFileSync(kept).subarray(keyMaterial, keyMaterial + 256_000);
    expect(after.equals(whole), "the key material is overwritten").toBe(false);
  });
});

describe("a disk", () => {
  test("that was cut short fails to verify, and can be removed", async () => {
    await using bench = await openBench();
    for (const bytes of [0, 10, 4096, 300_000]) {
      const { image, disk } = await bench.create();
      const recorded = await image.identify(bench.ctx);
      if (!recorded) throw new Error("the disk is there");
      await truncate(image.path, bytes);
      expect(failed(await bench.image(disk).verify(bench.ctx)), `cut to ${bytes}`).toContain("header");
      await bench.image(disk).remove(recorded, bench.ctx);
      expect(await image.identify(bench.ctx)).toBeUndefined();
    }
  });

  test("that another good one was put over is neither grown nor removed", async () => {
    await using bench = await openBench();
    const { image, disk } = await overlay(bench, "raw");
    const recorded = await image.identify(bench.ctx);
    const other = await bench.create({ kind: "blank" }, { virtualSize: disk.virtualSize });
    renameSync(other.image.path, image.path);
    const report = await bench.image(disk).verify(bench.ctx);
    expect(failed(report)).toEqual(expect.arrayContaining(["header", "passphrase", "base"]));
    const fresh = bench.image(disk);
    await expect(fresh.requireOurs(recorded, bench.ctx)).rejects.toMatchObject({ code: "DiskReplaced" });
  });

  test("that is raw now is not read as one", async () => {
    await using bench = await openBench();
    const plain = await bench.createPlain({ kind: "blank" });
    writeFileSync(plain.path, Buffer.alloc(4 * MIB));
    await expect(plain.actualSize(bench.ctx)).rejects.toMatchObject({ code: "Qcow2HeaderInvalid" });
    await expect(plain.resize(BigInt(8 * MIB), bench.ctx)).rejects.toMatchObject({ category: "integrity" });
  });
});
