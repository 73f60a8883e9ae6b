import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockHolders } from "./lock-holders.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "luksmith-locks-"));
  path = join(folder, "disk");
  writeFileSync(path, Buffer.alloc(4096));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A process that has the file open as QEMU has it, with QEMU's locks. */
async function qemu(): Promise<ChildProcess> {
  const child = spawn("qemu-io", ["-f", "raw", path], { stdio: ["pipe", "pipe", "ignore"] });
  child.stdin.write("read 0 512\n");
  await once(child.stdout, "data");
  return child;
}

describe("lockHolders", () => {
  it("finds nobody on a file that is merely there, or not there", async () => {
    expect(await lockHolders(path)).toEqual([]);
    expect(await lockHolders(join(folder, "absent"))).toEqual([]);
  });

  it("names QEMU while it has the file open, and no longer", async () => {
    const child = await qemu();
    expect(await lockHolders(path)).toEqual([`qemu-io (${child.pid})`]);
    child.stdin?.end("quit\n");
    await once(child, "exit");
    expect(await lockHolders(path)).toEqual([]);
  });

  it("does not take a lock on another file for one on this", async () => {
    const child = await qemu();
    const other = join(folder, "other");
    writeFileSync(other, "");
    expect(await lockHolders(other)).toEqual([]);
    child.stdin?.end("quit\n");
    await once(child, "exit");
  });
});
