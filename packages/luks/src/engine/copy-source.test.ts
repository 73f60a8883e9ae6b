import { randomBytes, randomUUID } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createSectorCipher, formatContainer, GeneratedPassphrase } from "../index.ts";
import { copySpans } from "./copy-request.ts";
import { LuksEngine } from "./luks-engine.ts";

const MIB = 1024 * 1024;
const directory = mkdtempSync(join(tmpdir(), "luks-source-"));
const engine = new LuksEngine({ threads: 1 });
using passphrase = GeneratedPassphrase.create();
const { volumeKey } = formatContainer({ uuid: randomUUID(), passphrase });
const cipher = createSectorCipher(volumeKey);
const open: number[] = [];

afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  for (const fd of open) closeSync(fd);
  rmSync(directory, { recursive: true, force: true });
});

function file(content: Uint8Array): { path: string; fd: number } {
  const path = join(directory, randomUUID());
  writeFileSync(path, content);
  const fd = openSync(path, "r+");
  open.push(fd);
  return { path, fd };
}

describe("extents with a source of their own", () => {
  const data = randomBytes(3 * MIB);
  // Two neighbours in the target that come from the back and the front of the source, then a part that moves up.
  const extents = [
    { start: 0n, length: BigInt(MIB), source: BigInt(2 * MIB) },
    { start: BigInt(MIB), length: BigInt(1536), source: 0n },
    { start: BigInt(2 * MIB), length: BigInt(MIB), source: BigInt(MIB - 512) },
  ];
  const moved = Buffer.alloc(3 * MIB);
  data.copy(moved, 0, 2 * MIB);
  data.copy(moved, MIB, 0, 1536);
  data.copy(moved, 2 * MIB, MIB - 512, 2 * MIB - 512);
  const length = BigInt(data.length);

  it("are encrypted by their place in the target", async () => {
    const [from, to] = [file(data), file(new Uint8Array(3 * MIB))];
    await engine.copy({
      from: { fd: from.fd, offset: 0n },
      to: { fd: to.fd, offset: 0n, volumeKey },
      length,
      extents,
    });
    const written = readFileSync(to.path);
    for (const { start, length: bytes } of extents) {
      const [first, last] = [Number(start), Number(start + bytes)];
      cipher.decrypt(written.subarray(first, last), first / 512);
      expect(written.subarray(first, last).equals(moved.subarray(first, last))).toBe(true);
    }
  });

  it("are decrypted by their place in the source", async () => {
    const sealed = Buffer.from(data);
    cipher.encrypt(sealed, 0);
    const [from, to] = [file(sealed), file(new Uint8Array(3 * MIB))];
    await engine.copy({
      from: { fd: from.fd, offset: 0n, volumeKey },
      to: { fd: to.fd, offset: 0n },
      length,
      extents,
    });
    expect(readFileSync(to.path).equals(moved)).toBe(true);
  });

  it("are encrypted by their place on the disk in a file that holds but a later part of it", async () => {
    const [from, to] = [file(data), file(new Uint8Array(MIB))];
    const offset = -BigInt(2 * MIB);
    const part = { start: BigInt(2 * MIB), length: BigInt(MIB) };
    const end = { fd: to.fd, offset, volumeKey };
    await engine.copy({ from: { fd: from.fd, offset: 0n }, to: end, length, extents: [part] });
    const written = readFileSync(to.path);
    cipher.decrypt(written, (2 * MIB) / 512);
    expect(written.equals(data.subarray(2 * MIB))).toBe(true);
    // And back.
    const plain = file(new Uint8Array(3 * MIB));
    await engine.copy({ from: end, to: { fd: plain.fd, offset: 0n }, length, extents: [part] });
    expect(
      readFileSync(plain.path)
        .subarray(2 * MIB)
        .equals(data.subarray(2 * MIB)),
    ).toBe(true);
    const before = { start: BigInt(MIB), length: 512n };
    const copy = engine.copy({ from: { fd: from.fd, offset: 0n }, to: end, length, extents: [before] });
    await expect(copy).rejects.toMatchObject({ code: "LuksRequestInvalid" });
  });

  it("may lie beyond the end of the target's data", async () => {
    const [from, to] = [file(data), file(new Uint8Array(4096))];
    const extent = { start: 0n, length: 4096n, source: BigInt(2 * MIB) };
    await engine.copy({
      from: { fd: from.fd, offset: 0n },
      to: { fd: to.fd, offset: 0n },
      length: 4096n,
      extents: [extent],
    });
    expect(readFileSync(to.path).equals(data.subarray(2 * MIB, 2 * MIB + 4096))).toBe(true);
  });
});

describe("copySpans", () => {
  const plain = { fd: 0, offset: 0n };
  const spans = (...extents: { start: bigint; length: bigint; source?: bigint }[]) =>
    copySpans({ from: plain, to: { ...plain, volumeKey }, length: 8192n, extents });

  it("joins neighbours only where their sources are neighbours too", () => {
    expect(
      spans({ start: 0n, length: 512n, source: 4096n }, { start: 512n, length: 512n, source: 4608n }),
    ).toEqual([{ start: 0, length: 1024, source: 4096 }]);
    expect(spans({ start: 0n, length: 512n }, { start: 512n, length: 512n, source: 0n })).toEqual([
      { start: 0, length: 512, source: 0 },
      { start: 512, length: 512, source: 0 },
    ]);
  });

  interface Refusal {
    name: string;
    extents: { start: bigint; length: bigint; source?: bigint }[];
  }
  const moved: Refusal["extents"][number] = { start: 512n, length: 512n, source: 0n };
  it.each<Refusal>([
    { name: "overlaps from different places", extents: [{ start: 0n, length: 1024n }, moved] },
    { name: "a negative source", extents: [{ ...moved, source: -512n }] },
    { name: "a source out of reach", extents: [{ ...moved, source: 2n ** 53n }] },
    { name: "another part of a sector", extents: [{ ...moved, source: 100n }] },
  ])("refuses $name", ({ extents }) => {
    expect(() => spans(...extents)).toThrow(expect.objectContaining({ code: "LuksRequestInvalid" }));
  });
});
