import { readFile } from "node:fs/promises";
import { parseHeader } from "@luksmith/core";
import { BackendBench, MIB, sourceImage } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import type { LvmSettings } from "../../../src/index.ts";
import { GROUP, run } from "../guest-tools.ts";
import { LINEAR, lvmFixture } from "../lvm-fixture.ts";

const SIZE = 4 * MIB;

/** Where the first byte of a volume is on the physical volume; it is in one piece. */
async function placeOf(path: string): Promise<{ readonly disk: string; readonly skip: number }> {
  const fields = "--noheadings --nosuffix --units b -o seg_pe_ranges,vg_extent_size".split(" ");
  const [ranges = "", extent = ""] = (await run("lvs", ...fields, path.slice("/dev/".length)))
    .trim()
    .split(/\s+/);
  const [disk = "", extents = ""] = ranges.split(":");
  const start = await run("pvs", "--noheadings", "--nosuffix", "--units", "b", "-o", "pe_start", disk);
  return { disk, skip: Number(start) + Number(extents.split("-")[0]) * Number(extent) };
}

/** Bytes as they are on the disk below all volumes. */
async function bytesAt({ disk, skip }: { readonly disk: string; readonly skip: number }): Promise<Buffer> {
  const args = [`skip=${skip}`, `count=${SIZE + 2 * MIB}`, "iflag=direct,skip_bytes,count_bytes"];
  await run("dd", `if=${disk}`, "of=/tmp/below", "bs=1M", "status=none", ...args);
  return readFile("/tmp/below");
}

async function removed(
  settings: Partial<LvmSettings>,
): Promise<{ readonly before: Buffer; readonly after: Buffer }> {
  await using bench = await BackendBench.open((services) => lvmFixture(services, { ...LINEAR, ...settings }));
  await using image = await sourceImage(SIZE);
  const made = await bench.create({ kind: "image", image });
  const place = await placeOf(made.image.path);
  const before = await bytesAt(place);
  await made.image.remove((await made.image.identify(bench.ctx))!, bench.ctx);
  expect(await run("lvs", "--noheadings", GROUP)).toBe("");
  return { before, after: await bytesAt(place) };
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

describe("what is on the disk when a volume has been removed", () => {
  test("none: no header any more, before ciphertext", async () => {
    const { before, after } = await removed({ clear: "none" });
    expect(parseHeader(before).keySlots.some((slot) => slot.active)).toBe(true);
    expect(() => parseHeader(after)).toThrow("magic bytes are missing");
    const material = 4096;
    expect(
      after.subarray(material, material + 65_536).equals(before.subarray(material, material + 65_536)),
    ).toBe(false);
    expect(after.subarray(2 * MIB).equals(before.subarray(2 * MIB))).toBe(true);
  });

  test("zero: zeros, as many as volume_clear_size says", async () => {
    const { before, after } = await removed({ clear: "zero", clearBytes: 3 * MIB });
    expect(isZero(after.subarray(0, 3 * MIB))).toBe(true);
    expect(after.subarray(3 * MIB).equals(before.subarray(3 * MIB))).toBe(true);
    const whole = await removed({ clear: "zero", clearBytes: 0 });
    expect(isZero(whole.before.subarray(3 * MIB, 3 * MIB + 4096))).toBe(false);
    expect(isZero(whole.after)).toBe(true);
  });

  test("shred: noise, as much as volume_clear_size says, and no header in it", async () => {
    const { before, after } = await removed({ clear: "shred", clearBytes: 3 * MIB });
    expect(() => parseHeader(after)).toThrow();
    const blocks = Array.from({ length: (3 * MIB) / 4096 }, (_, index) => index * 4096);
    const untouched = blocks.filter((at) => {
      const block = after.subarray(at, at + 4096);
      return isZero(block) || block.equals(before.subarray(at, at + 4096));
    });
    expect(untouched).toEqual([]);
    expect(after.subarray(3 * MIB).equals(before.subarray(3 * MIB))).toBe(true);
  });

  test("a plain disk shows nothing of what was on its extents before", async () => {
    await removed({ clear: "none" });
    await using bench = await BackendBench.open((services) => lvmFixture(services, LINEAR));
    const plain = await bench.createPlain({ kind: "blank" }, BigInt(SIZE));
    expect(isZero(await bench.fixture.rawBytes(plain))).toBe(true);
    await plain.resize(BigInt(6 * MIB), bench.ctx);
    expect(isZero(await bench.fixture.rawBytes(plain))).toBe(true);
  });
});
