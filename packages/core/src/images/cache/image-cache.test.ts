import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  rename,
  rm,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LuksEngine } from "@luksmith/luks";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Command } from "../../command/command-runner.ts";
import { ExecaRunner } from "../../host/execa-runner.ts";
import type { OpContext, Progress } from "../../image/op-context.ts";
import { silentLogger } from "../../log/logger.ts";
import type { DiskFormat, ImageFile } from "../image-service.ts";
import { imageBaseName } from "./base-name.ts";
import { ImageCache, openBase } from "./image-cache.ts";
import { type CachePolicy, pruneCache } from "./prune-cache.ts";

const MIB = 1024 * 1024;
const ctx: OpContext = { requestId: "req-test", signal: new AbortController().signal, log: silentLogger };
const luks = new LuksEngine({ threads: 1 });
afterAll(() => luks[Symbol.asyncDispose]());

let folder: string;
let directory: string;
let ran: Command[];
let cache: ImageCache;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "luksmith-cache-"));
  directory = join(folder, "_base");
  ran = [];
  cache = newCache();
});
afterEach(() => rm(folder, { recursive: true }));

function newCache(): ImageCache {
  const runner = new ExecaRunner();
  return new ImageCache({
    instancesPath: folder,
    luks,
    timeoutMs: 60_000,
    commands: { run: (command, on) => (ran.push(command), runner.run(command, on)) },
  });
}

function qemuImg(...args: readonly string[]): void {
  execFileSync("qemu-img", args, { stdio: "pipe" });
}

/** An image as a service opens it; its guest sees `data` and then zeros. */
async function image(format: DiskFormat, data: Buffer, virtualSize: number = 4 * MIB): Promise<ImageFile> {
  const raw = join(folder, "source.raw");
  await writeFile(raw, data);
  await truncate(raw, virtualSize);
  const path = join(folder, `source.${format}`);
  if (format !== "raw") qemuImg("convert", "-f", "raw", "-O", format, raw, path);
  const file = await open(path);
  const size = BigInt(statSync(path).size);
  const info = execFileSync("qemu-img", ["info", "--output=json", "-f", format, path], { encoding: "utf8" });
  // VHD has whole cylinders.
  const shown = BigInt((JSON.parse(info) as { "virtual-size": number })["virtual-size"]);
  return {
    id: "image",
    format,
    path,
    fd: file.fd,
    size,
    virtualSize: shown,
    [Symbol.asyncDispose]: () => file.close(),
  };
}

const policy: CachePolicy = { removeUnused: true, minimumAgeSeconds: 0, dryRun: false };
const nobody = async () => new Map<string, readonly string[]>();

describe("ImageCache.image", () => {
  it.each(["qcow2", "vmdk", "vpc", "vhdx", "raw"] as const)(
    "makes one raw base of %s, with its holes",
    async (format) => {
      const data = randomBytes(MIB);
      await using source = await image(format, data);
      const bases = await Promise.all(
        Array.from({ length: 10 }, () => cache.image(source, { raw: true }, ctx)),
      );
      for (const base of bases) {
        expect(base).toMatchObject({ format: "raw", virtualSize: source.virtualSize });
        expect(base.path).toBe(join(directory, imageBaseName("image")));
        base[Symbol.dispose]();
      }
      const [{ path } = { path: "" }] = bases;
      const bytes = readFileSync(path);
      expect(bytes.subarray(0, MIB).equals(data)).toBe(true);
      expect(bytes.length).toBe(Number(source.virtualSize));
      expect(bytes.subarray(MIB).every((byte) => byte === 0)).toBe(true);
      expect(statSync(path).blocks * 512).toBeLessThan(2 * MIB);
      expect(ran).toHaveLength(format === "raw" ? 0 : 1);
      expect(readdirSync(directory)).toHaveLength(1);
    },
  );

  it("keeps a qcow2 image as it came, and has both formats where both are asked for", async () => {
    await using source = await image("qcow2", randomBytes(MIB));
    using kept = await cache.image(source, { raw: false }, ctx);
    expect(kept.format).toBe("qcow2");
    expect(readFileSync(kept.path).equals(readFileSync(source.path))).toBe(true);
    using raw = await cache.image(source, { raw: true }, ctx);
    expect(raw.path).toBe(`${kept.path}_raw`);
    expect(statSync(raw.path).size).toBe(4 * MIB);
    using again = await cache.image(source, { raw: false }, ctx);
    expect(again.path).toBe(kept.path);
  });

  it("hands qemu-img open files only, tells it the format, and limits it", async () => {
    await using source = await image("qcow2", randomBytes(MIB));
    const hidden = `${source.path}.moved`;
    await rename(source.path, hidden);
    using _base = await cache.image(source, { raw: true }, ctx);
    expect(ran[0]?.args.join(" ")).not.toContain(folder);
    expect(ran[0]?.args.join(" ")).toContain("driver=qcow2,file.driver=file,file.filename=/dev/fd/3");
    expect(ran[0]?.limits).toBeDefined();
  });

  it("shows progress that only grows, to the end", async () => {
    const seen: Progress[] = [];
    await using source = await image("qcow2", randomBytes(3 * MIB));
    using _base = await cache.image(source, { raw: true }, { ...ctx, progress: (each) => seen.push(each) });
    const bytes = seen.map(({ doneBytes }) => doneBytes);
    expect(bytes).toEqual([...new Set(bytes)].toSorted((a, b) => (a < b ? -1 : 1)));
    expect(bytes.at(-1)).toBe(BigInt(4 * MIB));
    expect(seen.every(({ totalBytes }) => totalBytes === BigInt(4 * MIB))).toBe(true);
  });

  it("refuses an image that holds an image: a tool that guesses would follow it", async () => {
    const inner = join(folder, "inner.qcow2");
    qemuImg("create", "-q", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw", inner, "1M");
    await using source = await image("qcow2", readFileSync(inner));
    const made = cache.image(source, { raw: true }, ctx);
    await expect(made).rejects.toMatchObject({
      code: "ImageUnacceptable",
      message: expect.stringMatching(/to be raw, but its bytes say qcow2/),
    });
    expect(readdirSync(directory)).toEqual([]);
  });

  it("leaves nothing when cancelled, whoever asked beside goes on, and the lock is free", async () => {
    const stop = new AbortController();
    await using source = await image("raw", randomBytes(64 * MIB), 64 * MIB);
    const first = cache.image(
      source,
      { raw: true },
      { ...ctx, signal: stop.signal, progress: () => stop.abort() },
    );
    const second = cache.image(source, { raw: true }, ctx);
    await expect(first).rejects.toMatchObject({ code: "Cancelled" });
    using base = await second;
    expect(readFileSync(base.path).equals(readFileSync(source.path))).toBe(true);
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it("tries a conversion that fails once, for all who wait for it", async () => {
    await using source = await image("qcow2", randomBytes(MIB));
    await using file = await open(source.path, "r+");
    await file.write("\0\0\0\x09", 4);
    const asked = Array.from({ length: 10 }, () => cache.image(source, { raw: true }, ctx));
    for (const each of await Promise.allSettled(asked)) {
      expect(each).toMatchObject({ status: "rejected", reason: { code: "CommandFailed" } });
    }
    expect(ran).toHaveLength(1);
    expect(readdirSync(directory)).toEqual([]);
  });

  it("stops waiting for another's conversion when cancelled", async () => {
    const held = Promise.withResolvers<void>();
    const make = async () => {
      await held.promise;
      return { [Symbol.asyncDispose]: async () => {} };
    };
    const first = cache.filesystem("swap", BigInt(MIB), make, ctx);
    const second = cache.filesystem("swap", BigInt(MIB), make, { ...ctx, signal: AbortSignal.timeout(50) });
    await expect(second).rejects.toMatchObject({ code: "Cancelled" });
    held.resolve();
    using base = await first;
    expect(base.path).toBe(join(directory, "swap_1"));
  });
});

describe("a base that was there already", () => {
  const changes: readonly [string, RegExp, (path: string) => Promise<void>][] = [
    ["is cut short", /has 512 bytes instead of/, (path) => truncate(path, 512)],
    ["has grown", /instead of/, (path) => appendFile(path, "x")],
    [
      "is a link",
      /symbolic link/,
      async (path) => {
        await rename(path, join(folder, "elsewhere"));
        await symlink(join(folder, "elsewhere"), path);
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
    await using source = await image("raw", randomBytes(MIB));
    const { path } = await cache.image(source, { raw: true }, ctx);
    await change(path);
    for (const each of [cache, newCache()]) {
      await expect(each.image(source, { raw: true }, ctx)).rejects.toMatchObject({
        code: "ImageUnacceptable",
        message: expect.stringMatching(why),
      });
    }
    await expect(cache.image(source, { raw: true }, ctx)).rejects.toThrow(
      "luksmith cache prune --all-unused",
    );
  });

  it("and qcow2 that got a backing file is refused", async () => {
    await using source = await image("qcow2", randomBytes(MIB));
    const { path } = await cache.image(source, { raw: false }, ctx);
    qemuImg("rebase", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", path);
    await expect(cache.image(source, { raw: false }, ctx)).rejects.toMatchObject({
      code: "ImageUnacceptable",
      message: expect.stringMatching(/backing/),
    });
  });

  it("is used, without another conversion, and its use is noted", async () => {
    await using source = await image("qcow2", randomBytes(MIB));
    const { path } = await cache.image(source, { raw: true }, ctx);
    await utimes(path, 1000, 1000);
    using base = await newCache().image(source, { raw: true }, ctx);
    expect(ran).toHaveLength(1);
    expect(Date.now() - statSync(base.path).mtimeMs).toBeLessThan(60_000);
  });

  it("and was removed is made again", async () => {
    await using source = await image("qcow2", randomBytes(MIB));
    const { path } = await cache.image(source, { raw: true }, ctx);
    await unlink(path);
    await using opened = await openBase(await cache.image(source, { raw: true }, ctx));
    expect(opened.content.length).toBe(BigInt(4 * MIB));
    expect(existsSync(path)).toBe(true);
    expect(ran).toHaveLength(2);
  });
});

describe("pruning beside creates", () => {
  it("keeps a base that somebody took, until it is given back", async () => {
    await using source = await image("raw", randomBytes(MIB));
    {
      using base = await cache.image(source, { raw: true }, ctx);
      const kept = await pruneCache(directory, nobody, policy, ctx);
      expect(kept.bases).toMatchObject([{ removed: false, keptBecause: "being taken" }]);
      expect(existsSync(base.path)).toBe(true);
    }
    const { bases } = await pruneCache(directory, nobody, policy, ctx);
    expect(bases).toMatchObject([{ removed: true, keptBecause: undefined }]);
    expect(readdirSync(directory)).toEqual([]);
  });

  it("looks for users again when nobody can take the base any more", async () => {
    await using source = await image("raw", randomBytes(MIB));
    const base = await cache.image(source, { raw: true }, ctx);
    base[Symbol.dispose]();
    let looked = 0;
    const users = async () => new Map(looked++ === 0 ? [] : [[base.path, ["/an/overlay"]]]);
    const { bases } = await pruneCache(directory, users, policy, ctx);
    expect(bases).toMatchObject([{ removed: false, keptBecause: "in use" }]);
    expect(existsSync(base.path)).toBe(true);
  });

  it("never takes a base from under a create, in hundreds of races", async () => {
    await using source = await image("raw", randomBytes(4096), 4096);
    const creates = new AbortController();
    let removed = 0;
    const pruning = (async () => {
      while (!creates.signal.aborted) {
        const { bases } = await pruneCache(directory, nobody, policy, ctx);
        removed += bases.filter((each) => each.removed).length;
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
      }
    })();
    for (let round = 0; round < 150; round++) {
      using base = await cache.image(source, { raw: true }, ctx);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 2));
      expect(existsSync(base.path), `round ${round}`).toBe(true);
    }
    creates.abort();
    await pruning;
    expect(removed).toBeGreaterThan(5);
  });
});
