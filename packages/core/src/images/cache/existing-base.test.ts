import { randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { appendFile, mkdir, open, rename, symlink, truncate, unlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheFixture, ctx, MIB, qemuImg } from "./fixtures/cache-fixture.ts";
import { openBase } from "./open-base.ts";

let fixture: CacheFixture;
beforeEach(async () => {
  fixture = await CacheFixture.make();
});
afterEach(() => fixture[Symbol.asyncDispose]());

describe("a base that was there already", () => {
  const changes: readonly [string, RegExp, (path: string) => Promise<void>][] = [
    ["is cut short", /has 512 bytes instead of/, (path) => truncate(path, 512)],
    ["has grown", /instead of/, (path) => appendFile(path, "x")],
    [
      "is a link",
      /symbolic link/,
      async (path) => {
        await rename(path, join(fixture.folder, "elsewhere"));
        await symlink(join(fixture.folder, "elsewhere"), path);
      },
    ],
    [
      "is a directory",
      /not a regular file/,
      async (path) => {
        await unlink(path);
        await mkdir(path);
      },
    ],
    [
      "looks like VMDK",
      /its bytes say vmdk/,
      async (path) => {
        await using file = await open(path, "r+");
        await file.write("# Disk DescriptorFile\nversion=1\n", 0);
      },
    ],
  ];

  it.each(changes)("and %s is refused at the next overlay, with what to do", async (_, why, change) => {
    await using source = await fixture.image("raw", randomBytes(MIB));
    const { path } = await fixture.cache.image(source, { raw: true }, ctx);
    await change(path);
    for (const each of [fixture.cache, fixture.newCache()]) {
      await expect(each.image(source, { raw: true }, ctx)).rejects.toMatchObject({
        code: "ImageUnacceptable",
        message: expect.stringMatching(why),
      });
    }
    await expect(fixture.cache.image(source, { raw: true }, ctx)).rejects.toThrow(
      "luksmith cache prune --all-unused",
    );
  });

  it("and qcow2 that got a backing file is refused", async () => {
    await using source = await fixture.image("qcow2", randomBytes(MIB));
    const { path } = await fixture.cache.image(source, { raw: false }, ctx);
    qemuImg("rebase", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", path);
    await expect(fixture.cache.image(source, { raw: false }, ctx)).rejects.toMatchObject({
      code: "ImageUnacceptable",
      message: expect.stringMatching(/backing/),
    });
  });

  it("is used, without another conversion, and its use is noted", async () => {
    await using source = await fixture.image("qcow2", randomBytes(MIB));
    const { path } = await fixture.cache.image(source, { raw: true }, ctx);
    await utimes(path, 1000, 1000);
    using base = await fixture.newCache().image(source, { raw: true }, ctx);
    expect(fixture.ran).toHaveLength(1);
    expect(Date.now() - statSync(base.path).mtimeMs).toBeLessThan(60_000);
  });

  it("and was removed is made again", async () => {
    await using source = await fixture.image("qcow2", randomBytes(MIB));
    const { path } = await fixture.cache.image(source, { raw: true }, ctx);
    await unlink(path);
    await using opened = await openBase(await fixture.cache.image(source, { raw: true }, ctx));
    expect(opened.content.length).toBe(BigInt(4 * MIB));
    expect(existsSync(path)).toBe(true);
    expect(fixture.ran).toHaveLength(2);
  });
});
