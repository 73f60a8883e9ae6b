import { randomBytes, randomUUID } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { formatContainer, GeneratedPassphrase } from "../index.ts";
import { LuksEngine } from "./luks-engine.ts";

const MIB = 1024 * 1024;
const LENGTH = 5 * MIB + 1024;
const directory = mkdtempSync(join(tmpdir(), "luks-compare-"));
const engine = new LuksEngine({ threads: 1 });
const open: number[] = [];

afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  for (const fd of open) closeSync(fd);
  rmSync(directory, { recursive: true, force: true });
});

function file(content: Uint8Array): number {
  const path = join(directory, randomUUID());
  writeFileSync(path, content);
  const fd = openSync(path, "r+");
  open.push(fd);
  return fd;
}

function key() {
  using passphrase = GeneratedPassphrase.create();
  return formatContainer({ uuid: randomUUID(), passphrase }).volumeKey;
}

describe("firstDifference", () => {
  const length = BigInt(LENGTH);

  it("compares what two differently encrypted ends hold", async () => {
    using one = key();
    using other = key();
    const plain = { fd: file(randomBytes(LENGTH)), offset: 0n };
    const from = { fd: file(new Uint8Array(LENGTH)), offset: 0n, volumeKey: one };
    const to = { fd: file(new Uint8Array(LENGTH + 4096)), offset: 4096n, volumeKey: other };
    await engine.copy({ from: plain, to: from, length });
    await engine.copy({ from: plain, to, length });
    expect(await engine.firstDifference({ from, to, length })).toBeUndefined();
    expect(await engine.firstDifference({ from, to: { ...to, volumeKey: one }, length })).toBe(0n);

    writeSync(to.fd, new Uint8Array(1), 0, 1, 4096 + 4 * MIB + 70_000);
    expect(await engine.firstDifference({ from, to, length })).toBe(BigInt(4 * MIB + 64 * 1024));
    const before = [{ start: 0n, length: BigInt(4 * MIB) }];
    expect(await engine.firstDifference({ from, to, length, extents: before })).toBeUndefined();
  });

  it("refuses an end that is too short", async () => {
    const from = { fd: file(new Uint8Array(LENGTH)), offset: 0n };
    const to = { fd: file(new Uint8Array(MIB)), offset: 0n };
    await expect(engine.firstDifference({ from, to, length })).rejects.toThrow("ends after");
  });

  it("stops when told to", async () => {
    const end = { fd: file(new Uint8Array(LENGTH)), offset: 0n };
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(engine.firstDifference({ from: end, to: end, length, signal })).rejects.toThrow("enough");
  });
});
