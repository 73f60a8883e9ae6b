import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Qcow2File, grow } from "../src/index.ts";
import { check, GIB, hasQemu, io, KIB, MIB, must, TIB } from "./qemu.ts";
import { Workspace } from "./workspace.ts";

describe.skipIf(!hasQemu)("grow", () => {
  it.each([
    [9, MIB, 900n * MIB],
    [12, MIB, 3n * GIB],
    [12, 3n * GIB + 512n, 4n * TIB],
    [16, MIB, MIB + 512n],
    [16, 7n * MIB + 512n, 3n * TIB],
    [21, 3n * MIB, 100n * TIB],
  ])("clusters of 2^%i: from %i to %i bytes, with data on both sides", async (clusterBits, from, to) => {
    await using space = new Workspace();
    for (const encrypted of [true, false]) {
      const image = await space.image({ virtualSize: from, clusterBits, encrypted });
      io(image, "write -P 0x31 0 300k", `write -P 0x32 ${from - 512n} 512`);
      const file = await Qcow2File.open(image.handle);
      await grow(file, to);
      expect(file.virtualSize).toBe(to);
      check(image);
      const beyond = to - from < 64n * KIB ? to - from : 64n * KIB;
      io(image, "read -P 0x31 0 300k", `read -P 0x32 ${from - 512n} 512`, `read -P 0 ${from} ${beyond}`);
      io(image, `write -P 0x33 ${from} 512`, `write -P 0x34 ${to - 512n} 512`);
      io(image, `read -P 0x32 ${from - 512n} 512`, ...(to - from > 512n ? [`read -P 0x33 ${from} 512`] : []));
      io(image, `read -P 0x34 ${to - 512n} 512`);
      check(image);
      // Once more, and to the same size.
      const again = await Qcow2File.open(image.handle);
      await grow(again, to + 512n);
      await grow(again, to + 512n);
      await grow(again, to + 64n * MIB);
      check(image);
      io(image, `read -P 0x34 ${to - 512n} 512`, `read -P 0 ${to} 512`);
    }
  });

  it("refuses to shrink, to uncover a larger base, and what it does not know", async () => {
    await using space = new Workspace();
    const base = space.file();
    must("qemu-img", "create", "-q", "-f", "raw", base, "6M");
    const backing = { file: base, format: "raw" };
    const image = await space.image({ virtualSize: 4n * MIB, backing, encrypted: true });
    const before = readFileSync(image.path);
    await expect(grow(image.file, 2n * MIB)).rejects.toMatchObject({ details: { reason: "shrink" } });
    await expect(grow(image.file, 8n * MIB)).rejects.toMatchObject({ code: "Qcow2Unsupported" });
    await expect(grow(image.file, 8n * MIB, { backingSize: 6n * MIB })).rejects.toMatchObject({
      details: { reason: "backing-beyond-end" },
    });
    await expect(grow(image.file, 8n * MIB + 1n)).rejects.toMatchObject({ code: "Qcow2RequestInvalid" });
    expect(readFileSync(image.path).equals(before)).toBe(true);
    await grow(image.file, 8n * MIB, { backingSize: 4n * MIB });
    expect(image.file.backing).toEqual(backing);

    const other = await space.image({ virtualSize: MIB, encrypted: false });
    must("qemu-img", "snapshot", "-c", "s", other.path);
    const file = await Qcow2File.open(other.handle);
    await expect(grow(file, 2n * MIB)).rejects.toMatchObject({ details: { reason: "snapshots" } });
  });
});
