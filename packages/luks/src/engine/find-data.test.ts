import { randomBytes, randomUUID } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createSectorCipher, formatContainer, GeneratedPassphrase } from "../index.ts";
import { LuksEngine } from "./luks-engine.ts";

const MIB = 1024 * 1024;
const BEFORE = 4096;
const directory = mkdtempSync(join(tmpdir(), "luks-find-"));
const engine = new LuksEngine({ threads: 2 });
using passphrase = GeneratedPassphrase.create();
const { volumeKey } = formatContainer({ uuid: randomUUID(), passphrase });
const open: number[] = [];

afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  for (const fd of open) closeSync(fd);
  rmSync(directory, { recursive: true, force: true });
});

function source(data: Uint8Array, encrypted: boolean) {
  const bytes = Buffer.from(data);
  if (encrypted) createSectorCipher(volumeKey).encrypt(bytes, 0);
  const path = join(directory, randomUUID());
  writeFileSync(path, Buffer.concat([randomBytes(BEFORE), bytes]));
  const fd = openSync(path, "r");
  open.push(fd);
  return { fd, offset: BigInt(BEFORE), ...(encrypted ? { volumeKey } : {}) };
}

/** Zeros with a byte here and there: at both ends of a unit, of a chunk, and far into a unit. */
const MARKS = [0, 70_000, 131_071, MIB - 1, MIB, 3 * MIB + 65_535, 5 * MIB - 1];
const data = Buffer.alloc(5 * MIB);
for (const at of MARKS) data[at] = 1;

describe.each([true, false])("data in a source that is encrypted: %s", (encrypted) => {
  const from = source(data, encrypted);
  const length = BigInt(data.length);

  it.each([512, 4096, 65_536, 1536, 2 * MIB])("is found by units of %i bytes", async (unit) => {
    const found = await engine.findData({ from, length, unit });
    const units = Array.from({ length: Math.ceil(data.length / unit) }, (_, at) =>
      MARKS.some((mark) => Math.floor(mark / unit) === at) ? 1 : 0,
    );
    expect([...found]).toEqual(units);
  });

  it("is looked for in the extents only, from the first one's unit on", async () => {
    const extents = [
      { start: BigInt(MIB), length: 65_536n },
      { start: 65_536n, length: 4096n },
      { start: BigInt(3 * MIB), length: 65_024n },
    ];
    const found = await engine.findData({ from, length, extents, unit: 65_536 });
    expect(found.length).toBe(48);
    expect([...found].flatMap((one, at) => (one ? [at + 1] : []))).toEqual([16]);
  });

  it("is not looked for in parts of sectors, beyond the end, or when told to stop", async () => {
    const refused = { code: "LuksRequestInvalid" };
    for (const unit of [0, 100, 513, -512, 1.5]) {
      await expect(engine.findData({ from, length, unit })).rejects.toMatchObject(refused);
    }
    await expect(engine.findData({ from, length: length + 512n, unit: 512 })).rejects.toMatchObject(refused);
    const extents = [{ start: length, length: 512n }];
    await expect(engine.findData({ from, length, extents, unit: 512 })).rejects.toMatchObject(refused);
    const stop = new AbortController();
    const running = engine.findData({ from, length, unit: 512, signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    const never = engine.findData({ from, length, unit: 512, signal: stop.signal });
    await expect(never).rejects.toThrow("enough");
  });

  it("is nowhere in nothing", async () => {
    expect([...(await engine.findData({ from, length, extents: [], unit: 512 }))]).toEqual([]);
  });
});

describe("the last sector of a plain source", () => {
  it("may be cut short, and is zero from there on", async () => {
    const from = source(Buffer.alloc(1000), false);
    expect([...(await engine.findData({ from, length: 1024n, unit: 512 }))]).toEqual([0, 0]);
    await expect(engine.findData({ from, length: 1536n, unit: 512 })).rejects.toMatchObject({
      code: "LuksRequestInvalid",
    });
  });
});
