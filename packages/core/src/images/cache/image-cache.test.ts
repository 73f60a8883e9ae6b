import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Progress } from "../../image/op-context.ts";
import { imageBaseName } from "./base-name.ts";
import { CacheFixture, ctx, MIB, qemuImg } from "./fixtures/cache-fixture.ts";

let fixture: CacheFixture;
beforeEach(async () => {
  fixture = await CacheFixture.make();
});
afterEach(() => fixture[Symbol.asyncDispose]());

describe("ImageCache.image", () => {
  it.each(["qcow2", "vmdk", "vpc", "vhdx", "raw"] as const)(
    "makes one raw base of %s, with its holes",
    async (format) => {
      const data = randomBytes(MIB);
      await using source = await fixture.image(format, data);
      const bases = await Promise.all(
        Array.from({ length: 10 }, () => fixture.cache.image(source, { raw: true }, ctx)),
      );
      for (const base of bases) {
        expect(base).toMatchObject({ format: "raw", virtualSize: source.virtualSize });
        expect(base.path).toBe(join(fixture.directory, imageBaseName("image")));
        base[Symbol.dispose]();
      }
      const [{ path } = { path: "" }] = bases;
      const bytes = readFileSync(path);
      expect(bytes.subarray(0, MIB).equals(data)).toBe(true);
      expect(bytes.length).toBe(Number(source.virtualSize));
      expect(bytes.subarray(MIB).every((byte) => byte === 0)).toBe(true);
      expect(statSync(path).blocks * 512).toBeLessThan(2 * MIB);
      expect(fixture.ran).toHaveLength(format === "raw" ? 0 : 1);
      expect(readdirSync(fixture.directory)).toHaveLength(1);
    },
  );

  it("keeps a qcow2 image as it came, and has both formats where both are asked for", async () => {
    await using source = await fixture.image("qcow2", randomBytes(MIB));
    using kept = await fixture.cache.image(source, { raw: false }, ctx);
    expect(kept.format).toBe("qcow2");
    expect(readFileSync(kept.path).equals(readFileSync(source.path))).toBe(true);
    using raw = await fixture.cache.image(source, { raw: true }, ctx);
    expect(raw.path).toBe(`${kept.path}_raw`);
    expect(statSync(raw.path).size).toBe(4 * MIB);
    using again = await fixture.cache.image(source, { raw: false }, ctx);
    expect(again.path).toBe(kept.path);
  });

  it("hands qemu-img open files only, tells it the format, and limits it", async () => {
    await using source = await fixture.image("qcow2", randomBytes(MIB));
    const hidden = `${source.path}.moved`;
    await rename(source.path, hidden);
    using _base = await fixture.cache.image(source, { raw: true }, ctx);
    expect(fixture.ran[0]?.args.join(" ")).not.toContain(fixture.folder);
    expect(fixture.ran[0]?.args.join(" ")).toContain("driver=qcow2,file.driver=file,file.filename=/dev/fd/3");
    expect(fixture.ran[0]?.limits).toBeDefined();
  });

  it("shows progress that only grows, to the end", async () => {
    const seen: Progress[] = [];
    await using source = await fixture.image("qcow2", randomBytes(3 * MIB));
    using _base = await fixture.cache.image(
      source,
      { raw: true },
      { ...ctx, progress: (each) => seen.push(each) },
    );
    const bytes = seen.map(({ doneBytes }) => doneBytes);
    expect(bytes).toEqual([...new Set(bytes)].toSorted((a, b) => (a < b ? -1 : 1)));
    expect(bytes.at(-1)).toBe(BigInt(4 * MIB));
    expect(seen.every(({ totalBytes }) => totalBytes === BigInt(4 * MIB))).toBe(true);
  });

  it("refuses an image that holds an image: a tool that guesses would follow it", async () => {
    const inner = join(fixture.folder, "inner.qcow2");
    qemuImg("create", "-q", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw", inner, "1M");
    await using source = await fixture.image("qcow2", readFileSync(inner));
    const made = fixture.cache.image(source, { raw: true }, ctx);
    await expect(made).rejects.toMatchObject({
      code: "ImageUnacceptable",
      message: expect.stringMatching(/to be raw, but its bytes say qcow2/),
    });
    expect(readdirSync(fixture.directory)).toEqual([]);
  });

  it("leaves nothing when cancelled, whoever asked beside goes on, and the lock is free", async () => {
    const stop = new AbortController();
    await using source = await fixture.image("raw", randomBytes(64 * MIB), 64 * MIB);
    const first = fixture.cache.image(
      source,
      { raw: true },
      { ...ctx, signal: stop.signal, progress: () => stop.abort() },
    );
    const second = fixture.cache.image(source, { raw: true }, ctx);
    await expect(first).rejects.toMatchObject({ code: "Cancelled" });
    using base = await second;
    expect(readFileSync(base.path).equals(readFileSync(source.path))).toBe(true);
    expect(readdirSync(fixture.directory)).toHaveLength(1);
  });

  it("tries a conversion that fails once, for all who wait for it", async () => {
    await using source = await fixture.image("qcow2", randomBytes(MIB));
    await using file = await open(source.path, "r+");
    await file.write("\0\0\0\x09", 4);
    const asked = Array.from({ length: 10 }, () => fixture.cache.image(source, { raw: true }, ctx));
    for (const each of await Promise.allSettled(asked)) {
      expect(each).toMatchObject({ status: "rejected", reason: { code: "CommandFailed" } });
    }
    expect(fixture.ran).toHaveLength(1);
    expect(readdirSync(fixture.directory)).toEqual([]);
  });

  it("stops waiting for another's conversion when cancelled", async () => {
    const held = Promise.withResolvers<void>();
    const make = async () => {
      await held.promise;
      return { [Symbol.asyncDispose]: async () => {} };
    };
    const first = fixture.cache.filesystem("swap", BigInt(MIB), make, ctx);
    const second = fixture.cache.filesystem("swap", BigInt(MIB), make, {
      ...ctx,
      signal: AbortSignal.timeout(50),
    });
    await expect(second).rejects.toMatchObject({ code: "Cancelled" });
    held.resolve();
    using base = await first;
    expect(base.path).toBe(join(fixture.directory, "swap_1"));
  });
});

describe("ImageCache.bytesToAdd", () => {
  it.each([
    ["raw", true, "file"],
    ["qcow2", true, "disk"],
    ["qcow2", false, "file"],
    ["vmdk", false, "disk"],
  ] as const)(
    "of %s, to be raw: %s, is the size of the %s, and nothing once it is there",
    async (format, raw, what) => {
      await using source = await fixture.image(format, randomBytes(MIB));
      const bytes = what === "file" ? source.size : source.virtualSize;
      expect(await fixture.cache.bytesToAdd(source, { raw })).toBe(bytes);
      using _base = await fixture.cache.image(source, { raw }, ctx);
      expect(await fixture.newCache().bytesToAdd(source, { raw })).toBe(0n);
      expect(await fixture.newCache().bytesToAdd({ ...source, id: "another" }, { raw })).toBe(bytes);
    },
  );
});
