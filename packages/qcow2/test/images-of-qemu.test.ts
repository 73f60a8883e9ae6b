import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Qcow2File, grow } from "../src/index.ts";
import { check, GIB, hasQemu, io, MIB, must, opened, run, runsOf, TIB } from "./qemu.ts";
import { Workspace } from "./workspace.ts";

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
