import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BulkTarget } from "./bulk-target.ts";

let directory = "";
let fd = -1;
const path = (): string => join(directory, "target");

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "luks-target-"));
  fd = openSync(path(), "w+");
});
afterEach(() => {
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

describe("BulkTarget", () => {
  it.each([true, false])("writes aligned and uneven parts, direct: %s", async (direct) => {
    const data = randomBytes(64 * 1024 + 100);
    const target = new BulkTarget(fd, { direct });
    await target.write(data.subarray(65_536), 65_536);
    await target.write(data.subarray(0, 65_536), 0);
    await target.close();
    expect(readFileSync(path()).equals(data)).toBe(true);
  });

  it("falls back where the kernel refuses direct I/O, here memory at an odd address", async () => {
    const data = randomBytes(8192 + 1);
    const target = new BulkTarget(fd, { direct: true });
    await Promise.all([target.write(data.subarray(1, 4097), 0), target.write(data.subarray(4097), 4096)]);
    await target.close();
    expect(readFileSync(path()).equals(data.subarray(1))).toBe(true);
  });

  it("starts write-back of what the page cache holds and waits for it", async () => {
    const data = randomBytes(40 * 1024 * 1024);
    const target = new BulkTarget(fd, { direct: false });
    await target.write(data, 0);
    await target.write(data, data.length);
    await target.close();
    expect(readFileSync(path()).equals(Buffer.concat([data, data]))).toBe(true);
  });

  it("closes what it opened and nothing else", async () => {
    const before = readdirSync("/proc/self/fd").length;
    const target = new BulkTarget(fd, { direct: true });
    await target.write(randomBytes(4096), 0);
    await target.close();
    expect(readdirSync("/proc/self/fd").length).toBe(before);
    expect(readFileSync(fd).length).toBe(4096);
  });
});
