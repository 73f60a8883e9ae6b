import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { CopyFixture, newKey, sealed } from "./copy-fixture.ts";

const MIB = 1024 * 1024;
const fixture = new CopyFixture();
afterAll(() => fixture[Symbol.asyncDispose]());
const { engine, key } = fixture;
const file = (content: Uint8Array | number): { path: string; fd: number } => fixture.file(content);

describe("copy", () => {
  // Below and above a chunk, more chunks than lanes, direct I/O with an uneven tail, and a part of a sector.
  const sizes = [1, 512, 1000, 4096, MIB, MIB + 513, 9 * MIB + 1, 20 * MIB + 1536, 17 * MIB + 77];

  it.each(sizes)("fills, re-encrypts and decrypts %i bytes", async (size) => {
    const data = randomBytes(size);
    const payload = Math.ceil(size / 512) * 512;
    const [plain, first, second, back] = [
      file(data),
      file(8192 + payload),
      file(4096 + payload),
      file(100 + size),
    ];
    const other = newKey();
    const length = BigInt(size);

    const filled = await engine.copy({
      from: { fd: plain.fd, offset: 0n },
      to: { fd: first.fd, offset: 8192n, volumeKey: key },
      length,
    });
    expect(filled).toEqual({ bytes: length });
    const container = readFileSync(first.path);
    expect(container.subarray(8192).equals(sealed(key, data))).toBe(true);
    expect(container.subarray(0, 8192).every((byte) => byte === 0)).toBe(true);

    await engine.copy({
      from: { fd: first.fd, offset: 8192n, volumeKey: key },
      to: { fd: second.fd, offset: 4096n, volumeKey: other },
      length,
    });
    expect(readFileSync(second.path).subarray(4096).equals(sealed(other, data))).toBe(true);

    await engine.copy({
      from: { fd: second.fd, offset: 4096n, volumeKey: other },
      to: { fd: back.fd, offset: 100n },
      length,
    });
    expect(readFileSync(back.path).equals(Buffer.concat([Buffer.alloc(100), data]))).toBe(true);
  });

  it("copies plain data to the byte", async () => {
    const data = randomBytes(3 * MIB + 333);
    const [from, to] = [file(data), file(0)];
    await engine.copy({
      from: { fd: from.fd, offset: 33n },
      to: { fd: to.fd, offset: 0n },
      length: BigInt(data.length - 33),
    });
    expect(readFileSync(to.path).equals(data.subarray(33))).toBe(true);
  });

  it("encrypts zeros", async () => {
    const to = file(0);
    await engine.copy({ from: "zero", to: { fd: to.fd, offset: 0n, volumeKey: key }, length: 3n * 1048576n });
    expect(readFileSync(to.path).equals(sealed(key, Buffer.alloc(3 * MIB)))).toBe(true);
  });

  it("re-encrypts in place, a sector that two extents share only once", async () => {
    const data = randomBytes(2 * MIB);
    const other = newKey();
    const both = file(sealed(key, data));
    const end = { fd: both.fd, offset: 0n };
    const extents = [
      { start: 700n, length: 100n },
      { start: 800n, length: 1_000_000n },
      { start: 0n, length: 700n },
    ];
    await engine.copy({
      from: { ...end, volumeKey: key },
      to: { ...end, volumeKey: other },
      length: BigInt(data.length),
      extents,
    });
    const sectors = Math.ceil(1_000_800 / 512) * 512;
    const expected = Buffer.concat([
      sealed(other, data).subarray(0, sectors),
      sealed(key, data).subarray(sectors),
    ]);
    expect(readFileSync(both.path).equals(expected)).toBe(true);
  });

  it("copies only the extents, in whole sectors", async () => {
    const data = randomBytes(4 * MIB);
    const [from, to] = [file(data), file(data.length)];
    const { bytes } = await engine.copy({
      from: { fd: from.fd, offset: 0n },
      to: { fd: to.fd, offset: 0n, volumeKey: key },
      length: BigInt(data.length),
      extents: [
        { start: 3n * 1048576n + 512n, length: 1024n },
        { start: 1000n, length: 24n },
        { start: 5n, length: 0n },
      ],
    });
    expect(bytes).toBe(512n + 1024n);
    const expected = Buffer.alloc(data.length);
    const full = sealed(key, data);
    full.copy(expected, 512, 512, 1024);
    full.copy(expected, 3 * MIB + 512, 3 * MIB + 512, 3 * MIB + 1536);
    expect(readFileSync(to.path).equals(expected)).toBe(true);
  });

  it.each([8 * MIB + 100, 40 * MIB + 100])("leaves holes in a sparse target of %i bytes", async (size) => {
    const data = Buffer.alloc(size);
    randomBytes(4096).copy(data, 4096);
    randomBytes(100).copy(data, 5 * MIB + 1);
    data[size - 1] = 1;
    const [from, to] = [file(sealed(key, data)), file(size)];
    await engine.copy({
      from: { fd: from.fd, offset: 0n, volumeKey: key },
      to: { fd: to.fd, offset: 0n },
      length: BigInt(size),
      sparse: true,
    });
    expect(readFileSync(to.path).equals(data)).toBe(true);
    expect(statSync(to.path).blocks * 512).toBeLessThan(MIB);
  });

  it("reports progress up to the total", async () => {
    const seen: [bigint, bigint][] = [];
    const to = file(0);
    await engine.copy({
      from: "zero",
      to: { fd: to.fd, offset: 0n, volumeKey: key },
      length: 5_000n,
      onProgress: (done, total) => seen.push([done, total]),
    });
    expect(seen.at(-1)).toEqual([5_000n, 5_000n]);
    expect(seen.every(([done, total]) => done <= total)).toBe(true);
  });

  it("opens and leaves no descriptors", async () => {
    const [from, to] = [file(20 * MIB), file(20 * MIB)];
    const before = readdirSync("/proc/self/fd").length;
    const request = {
      from: { fd: from.fd, offset: 0n },
      to: { fd: to.fd, offset: 0n },
      length: 20n * 1048576n,
    };
    await engine.copy(request);
    await expect(engine.copy({ ...request, length: 1n << 30n })).rejects.toThrow(/source ends/);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});
