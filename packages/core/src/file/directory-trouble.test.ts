import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OpContext } from "../image/op-context.ts";
import { silentLogger } from "../log/logger.ts";
import { directoryTrouble } from "./directory-trouble.ts";

const ctx: OpContext = { requestId: "req-1", signal: new AbortController().signal, log: silentLogger };
const ROOT = process.getuid?.() === 0;
let folder: string;

beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "luksmith-trouble-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("directoryTrouble", () => {
  it("finds none in a directory that can be written, or made, and leaves nothing", async () => {
    expect(await directoryTrouble(folder, ctx)).toBeUndefined();
    expect(await directoryTrouble(join(folder, "not", "yet", "there"), ctx)).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });

  it("says that something else is in its place", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    expect(await directoryTrouble(file, ctx)).toBe(`${file} is not a directory`);
    expect(await directoryTrouble(join(file, "below"), ctx)).toContain("is not a directory");
    const link = join(folder, "link");
    await symlink(join(folder, "nothing"), link);
    expect(await directoryTrouble(link, ctx)).toBe(`${link} is a symbolic link to nothing`);
    expect(await directoryTrouble(join(link, "below"), ctx)).toBe(`${link} is a symbolic link to nothing`);
  });

  it("goes by permissions where the file system has no files without names", async () => {
    expect(await directoryTrouble("/proc", ctx)).toBe(ROOT ? undefined : "/proc is not writable");
  });

  it.skipIf(ROOT)("says that a directory may not be written", async () => {
    const shut = join(folder, "shut");
    await mkdir(shut, { mode: 0o500 });
    expect(await directoryTrouble(shut, ctx)).toBe(`${shut} is not writable`);
  });

  it.skipIf(!canMount())("says that a file system is mounted read-only, to root as well", async () => {
    const shut = join(folder, "shut");
    await mkdir(shut);
    execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "none", shut]);
    try {
      expect(await directoryTrouble(shut, ctx)).toBe(`${shut} is on a file system that is mounted read-only`);
    } finally {
      execFileSync("umount", [shut]);
    }
  });

  it("is cancelled like everything else", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(directoryTrouble(folder, { ...ctx, signal })).rejects.toMatchObject({ code: "Cancelled" });
  });
});

/** Containers often may not mount, even as root. */
function canMount(): boolean {
  if (!ROOT) return false;
  try {
    execFileSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
