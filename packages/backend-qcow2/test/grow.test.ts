import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { grow, Qcow2File, setBacking } from "../src/format/index.ts";
import { check, GIB, hasQemu, io, KIB, MIB, must, opened, run, runsOf, TIB, Workspace } from "./qemu.ts";

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

describe.skipIf(!hasQemu)("images that QEMU made", () => {
  it.each([
    "compat=0.10",
    "compat=1.1,lazy_refcounts=on",
    "compat=1.1,compression_type=zstd",
    "cluster_size=2M",
    "cluster_size=512",
    "preallocation=metadata",
  ])("open here: %s", async (options) => {
    await using space = new Workspace();
    const path = space.file();
    must("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, "8M");
    must("qemu-io", "-f", "qcow2", "-c", "write -P 1 1M 1M", "-c", "write -P 2 5M 3M", path);
    const file = await Qcow2File.open(await space.handle(path));
    expect(file.virtualSize).toBe(8n * MIB);
    const runs = await runsOf(file);
    expect(runs.reduce((sum, { length }) => sum + length, 0n)).toBe(8n * MIB);
    await grow(file, 5n * GIB);
    check({ path });
    io({ path }, "read -P 1 1M 1M", "read -P 2 5M 3M", "read -P 0 8M 1M", "write -P 3 5119M 1M");
    check({ path });
  });

  it.each(["refcount_bits=1", "refcount_bits=64"])("open here, but do not grow: %s", async (options) => {
    await using space = new Workspace();
    const path = space.file();
    must("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, "8M");
    const file = await Qcow2File.open(await space.handle(path));
    expect(await file.lookup(0n)).toEqual({ kind: "unallocated", start: 0n, length: 65_536n });
    const unsupported = { code: "Qcow2Unsupported", details: { reason: "refcount-width" } };
    await expect(grow(file, 8192n * GIB)).rejects.toMatchObject(unsupported);
  });

  it("with compressed clusters are seen as such", async () => {
    await using space = new Workspace();
    const [raw, path] = [space.file(), space.file()];
    must("qemu-img", "create", "-q", "-f", "raw", raw, "1M");
    must("qemu-io", "-f", "raw", "-c", "write -P 1 0 1M", raw);
    must("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", raw, path);
    const file = await Qcow2File.open(await space.handle(path, "r"));
    expect(await file.lookup(0n)).toMatchObject({ kind: "compressed" });
  });

  it(
    "encrypted by QEMU: the LUKS area is found and another key slot can be added",
    { timeout: 60_000 },
    async () => {
      await using space = new Workspace();
      const [path, key] = [space.file(), space.key("interop")];
      const options = "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10";
      const create = [
        "create",
        "-q",
        "-f",
        "qcow2",
        "--object",
        `secret,id=key,file=${key}`,
        "-o",
        options,
        path,
        "4M",
      ];
      // QEMU times its PBKDF2 with a clock that is too coarse for a fast processor and gives up now and then.
      let result = run("qemu-img", create);
      for (let i = 0; i < 20 && result.output.includes("accurate CPU usage"); i++)
        result = run("qemu-img", create);
      expect(result.status).toBe(0);
      const image = { path, key };
      io(image, "write -P 5 1M 1M");
      const file = await Qcow2File.open(await space.handle(path));
      expect(file.header).toMatchObject({
        encryption: "luks",
        luks: { offset: 4 * 65_536, length: 0x1f_9000 },
      });
      const area = file.luksArea();
      expect(area?.containerBytes).toBe(0x1f_9000n);
      const header = (await area?.read(0, 592)) ?? new Uint8Array();
      expect(Buffer.from(header.subarray(0, 4)).toString()).toBe("LUKS");
      await area?.write(0, header);
      await expect(area?.write(0x1f_9000 - 10, randomBytes(11))).rejects.toMatchObject({
        code: "Qcow2RequestInvalid",
      });
      expect((await area?.read(0x1f_9000 - 10, 100))?.length).toBe(10);
      await grow(file, 2n * TIB);
      check(image);
      io(image, "read -P 5 1M 1M", "read -P 0 1T 1M");
      expect(opened(image)).toContain("--image-opts");
    },
  );
});
