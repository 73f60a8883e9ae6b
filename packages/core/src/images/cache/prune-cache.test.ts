import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ExclusiveLock } from "../../file/exclusive-lock.ts";
import type { OpContext } from "../../image/op-context.ts";
import { silentLogger } from "../../log/logger.ts";
import { backingFiles } from "./backing-files.ts";
import { lockPath, makeLockDirectory } from "./base-lease.ts";
import { partName } from "./base-name.ts";
import { listCache, pruneCache } from "./prune-cache.ts";

const ctx: OpContext = { requestId: "req-test", signal: new AbortController().signal, log: silentLogger };
const NOW = { removeUnused: true, minimumAgeSeconds: 0, dryRun: false };
const SHA = "0123456789abcdef0123456789abcdef01234567";
let folder: string;
let directory: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "luksmith-prune-"));
  directory = join(folder, "_base");
  await mkdir(directory);
});
afterEach(() => rm(folder, { recursive: true }));

const users = () => backingFiles(folder);

function addBase(name: string, ageSeconds = 0): string {
  const path = join(directory, name);
  writeFileSync(path, Buffer.alloc(65_536));
  const used = Date.now() / 1000 - ageSeconds;
  utimesSync(path, used, used);
  return path;
}

async function addOverlay(base: string, name = "disk"): Promise<string> {
  const instance = join(folder, randomUUID());
  await mkdir(instance);
  const path = join(instance, name);
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", path]);
  return path;
}

describe("pruneCache", () => {
  it("removes what is unused and old, and says why the rest stays", async () => {
    const disk = await addOverlay(addBase(SHA, 100));
    addBase("swap_1", 100);
    addBase("swap_2", 10);
    writeFileSync(join(directory, "not-ours"), "");
    const { bases } = await pruneCache(directory, users, { ...NOW, minimumAgeSeconds: 60 }, ctx);
    expect(
      bases.map(({ name, removed, keptBecause, usedBy }) => [name, removed, keptBecause, usedBy]),
    ).toEqual([
      [SHA, false, "in use", [disk]],
      ["swap_1", true, undefined, []],
      ["swap_2", false, "used lately", []],
    ]);
    expect(readdirSync(directory).toSorted()).toEqual([SHA, "not-ours", "swap_2"]);
  });

  it("removes nothing where that is switched off, or in a dry run", async () => {
    addBase(SHA, 100);
    const part = join(directory, partName(SHA, randomUUID()));
    writeFileSync(part, "");
    const off = await pruneCache(directory, users, { ...NOW, removeUnused: false, dryRun: true }, ctx);
    expect(off.bases).toMatchObject([{ removed: false, keptBecause: "switched off" }]);
    const dry = await pruneCache(directory, users, { ...NOW, dryRun: true }, ctx);
    expect(dry).toMatchObject({ bases: [{ removed: true }], parts: [part] });
    expect(readdirSync(directory)).toHaveLength(2);
  });

  it("removes parts of dead makers only", async () => {
    const dead = join(directory, partName("swap_1", randomUUID()));
    const alive = join(directory, partName("swap_2", randomUUID()));
    for (const part of [dead, alive]) writeFileSync(part, "");
    makeLockDirectory(directory);
    using _maker = ExclusiveLock.try(lockPath(directory, "swap_2", "maker"));
    expect((await pruneCache(directory, users, NOW, ctx)).parts).toEqual([dead]);
    expect([dead, alive].map((part) => existsSync(part))).toEqual([false, true]);
  });

  it("keeps a base that is being made again", async () => {
    addBase("swap_1", 100);
    makeLockDirectory(directory);
    using _maker = ExclusiveLock.try(lockPath(directory, "swap_1", "maker"));
    expect((await pruneCache(directory, users, NOW, ctx)).bases).toMatchObject([
      { keptBecause: "being made" },
    ]);
  });

  it("needs no cache", async () => {
    await rm(directory, { recursive: true });
    expect(await pruneCache(directory, users, NOW, ctx)).toEqual({ bases: [], parts: [] });
    expect(await listCache(directory, users)).toEqual([]);
  });
});

describe("backingFiles", () => {
  it("sees overlays of anybody, unfinished ones and links", async () => {
    const base = addBase(SHA);
    const disk = await addOverlay(base);
    const unfinished = await addOverlay(base, ".disk.x.partial");
    const instance = join(folder, randomUUID());
    await mkdir(instance);
    const link = join(instance, "disk");
    await symlink(disk, link);
    writeFileSync(join(instance, "disk.eph0"), "raw");
    await symlink("/nowhere", join(instance, "dangling"));
    const found = await users();
    expect([...found.keys()]).toEqual([base]);
    expect(found.get(base)?.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(
      [disk, unfinished, link].toSorted((a, b) => (a < b ? -1 : 1)),
    );
  });

  it("resolves names that are relative to the overlay", async () => {
    const base = addBase(SHA);
    const disk = await addOverlay(base);
    execFileSync("qemu-img", ["rebase", "-u", "-f", "qcow2", "-b", `../_base/${SHA}`, "-F", "raw", disk]);
    expect((await users()).get(base)).toEqual([disk]);
  });

  it.skipIf(process.geteuid?.() === 0)("does not guess what it cannot read", async () => {
    const disk = await addOverlay(addBase(SHA));
    await chmod(disk, 0);
    await expect(pruneCache(directory, users, NOW, ctx)).rejects.toMatchObject({ code: "PermissionDenied" });
    expect(existsSync(join(directory, SHA))).toBe(true);
  });
});
