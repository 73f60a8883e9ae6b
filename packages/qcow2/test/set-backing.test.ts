import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Qcow2File, grow, setBacking } from "../src/index.ts";
import { check, hasQemu, io, MIB, must } from "./qemu.ts";
import { Workspace } from "./workspace.ts";

describe.skipIf(!hasQemu)("setBacking", () => {
  it("renames, names and removes a base; what the guest wrote stays", async () => {
    await using space = new Workspace();
    const [one, two] = [space.file("one.raw"), space.file(`${"long-".repeat(30)}.qcow2`)];
    must("qemu-img", "create", "-q", "-f", "raw", one, "1M");
    must("qemu-io", "-f", "raw", "-c", "write -P 0x41 0 1M", one);
    must("qemu-img", "convert", "-f", "raw", "-O", "qcow2", one, two);
    for (const encrypted of [true, false]) {
      const image = await space.image({
        virtualSize: 2n * MIB,
        backing: { file: one, format: "raw" },
        encrypted,
      });
      io(image, "write -P 0x42 512k 128k");
      for (const backing of [
        { file: two, format: "qcow2" },
        { file: one, format: "raw" },
      ]) {
        await setBacking(image.file, backing);
        check(image);
        io(
          image,
          "read -P 0x41 0 512k",
          "read -P 0x42 512k 128k",
          "read -P 0x41 640k 384k",
          "read -P 0 1M 1M",
        );
        expect((await Qcow2File.open(image.handle)).backing).toEqual(backing);
      }
      await setBacking(image.file, undefined);
      check(image);
      io(image, "read -P 0 0 512k", "read -P 0x42 512k 128k", "read -P 0 640k 1408k");
      expect(readFileSync(image.path).includes(one)).toBe(false);
    }
  });

  it("keeps extensions and fields that it does not know", async () => {
    await using space = new Workspace();
    const path = space.file();
    must("qemu-img", "create", "-q", "-f", "qcow2", path, "1M");
    must("qemu-img", "bitmap", "--add", path, "b0");
    const handle = await space.handle(path);
    const before = await Qcow2File.open(handle);
    expect(before.header.extensions.length).toBeGreaterThan(1);
    await setBacking(before, { file: "base.raw", format: "raw" });
    const after = await Qcow2File.open(handle);
    expect(after.header.extensions).toEqual(expect.arrayContaining(before.header.extensions.slice(0, 1)));
    expect(after.header.autoclear).toBe(1n);
    await setBacking(after, undefined);
    expect(must("qemu-img", "info", path)).toMatch(/b0/);
    check({ path });
    await expect(grow(after, 2n * MIB)).rejects.toMatchObject({ details: { reason: "bitmaps" } });
  });
});
