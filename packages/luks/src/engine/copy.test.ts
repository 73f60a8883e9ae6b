import { getEventListeners } from "node:events";
import { randomBytes, randomUUID } from "node:crypto";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createSectorCipher, formatContainer, GeneratedPassphrase, type VolumeKey } from "../index.ts";
import { type CopyRequest, copySpans } from "./copy-request.ts";
import { LuksEngine } from "./luks-engine.ts";

const MIB = 1024 * 1024;
const directory = mkdtempSync(join(tmpdir(), "luks-copy-"));
const engine = new LuksEngine({ threads: 2 });
const open: number[] = [];

afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  for (const fd of open) closeSync(fd);
  rmSync(directory, { recursive: true, force: true });
});

let files = 0;

/** A file with this content, or with this many zeros, open for reading and writing. */
function file(content: Uint8Array | number): { path: string; fd: number } {
  const path = join(directory, `${++files}`);
  writeFileSync(path, typeof content === "number" ? "" : content);
  if (typeof content === "number") truncateSync(path, content);
  const fd = openSync(path, "r+");
  open.push(fd);
  return { path, fd };
}

function newKey(): VolumeKey {
  using passphrase = GeneratedPassphrase.create();
  return formatContainer({ uuid: randomUUID(), passphrase }).volumeKey;
}

/** What a container's payload must hold. */
function sealed(key: VolumeKey, data: Uint8Array): Buffer {
  const whole = Buffer.alloc(Math.ceil(data.length / 512) * 512);
  whole.set(data);
  createSectorCipher(key).encrypt(whole, 0);
  return whole;
}

const key = newKey();
const refused = (code: string) => expect.objectContaining({ code });

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

describe("what a copy refuses", () => {
  const to = { fd: 1, offset: 0n };
  it.each<[string, CopyRequest]>([
    ["a negative length", { from: "zero", to, length: -1n }],
    ["a negative offset", { from: "zero", to: { ...to, offset: -1n }, length: 1n }],
    ["a target beyond 2^53", { from: "zero", to, length: 1n << 53n }],
    ["an extent outside", { from: "zero", to, length: 10n, extents: [{ start: 5n, length: 6n }] }],
    [
      "holes in an encrypted target",
      { from: "zero", to: { ...to, volumeKey: key }, length: 512n, sparse: true },
    ],
  ])("%s", async (_what, request) => {
    expect(() => copySpans(request)).toThrow(refused("LuksRequestInvalid"));
    await expect(engine.copy(request)).rejects.toThrow(refused("LuksRequestInvalid"));
  });

  it("a source that ends early, except within the last sector", async () => {
    const [from, to2] = [file(randomBytes(1000)), file(0)];
    const copy = (length: bigint) =>
      engine.copy({
        from: { fd: from.fd, offset: 0n },
        to: { fd: to2.fd, offset: 0n, volumeKey: key },
        length,
      });
    await expect(copy(1024n)).resolves.toEqual({ bytes: 1024n });
    expect(readFileSync(to2.path).equals(sealed(key, readFileSync(from.path)))).toBe(true);
    await expect(copy(1536n)).rejects.toThrow(/source ends after 1000 of 1536/);
    const part = { from: { fd: from.fd, offset: 0n }, to: { fd: to2.fd, offset: 0n, volumeKey: key } };
    const extents = [{ start: 0n, length: 1024n }];
    await expect(engine.copy({ ...part, length: 4096n, extents })).rejects.toThrow(/source ends/);
    await expect(copy(64n * 1048576n)).rejects.toThrow(refused("LuksRequestInvalid"));
  });
});

describe("errors of the system", () => {
  const device = (path: string, flags: string): number => {
    const fd = openSync(path, flags);
    open.push(fd);
    return fd;
  };

  it.each(["/dev/full"])("ENOSPC keeps its code", async (path) => {
    const fd = device(path, "w");
    for (const length of [4096n, 64n * 1048576n]) {
      const copy = engine.copy({ from: "zero", to: { fd, offset: 0n, volumeKey: key }, length });
      await expect(copy).rejects.toMatchObject({ code: "ENOSPC", syscall: "write" });
    }
  });

  it("EIO, EBADF and EISDIR keep theirs", async () => {
    const target = file(0);
    const from = (fd: number) =>
      engine.copy({ from: { fd, offset: 0n }, to: { fd: target.fd, offset: 0n }, length: 8n * 1048576n });
    await expect(from(device("/proc/self/mem", "r"))).rejects.toMatchObject({ code: "EIO" });
    await expect(from(device(directory, "r"))).rejects.toMatchObject({ code: "EISDIR" });
    await expect(from(1_000_000)).rejects.toMatchObject({ code: "EBADF" });
  });
});

describe("cancelling", () => {
  const endless = (signal: AbortSignal, onProgress?: () => void): Promise<{ bytes: bigint }> => {
    const fd = openSync("/dev/null", "w");
    open.push(fd);
    const progress = onProgress === undefined ? {} : { onProgress };
    return engine.copy({
      from: "zero",
      to: { fd, offset: 0n, volumeKey: key },
      length: 1n << 50n,
      signal,
      ...progress,
    });
  };

  it("stops a running copy with the signal's reason, and the engine goes on", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    await expect(endless(controller.signal, () => controller.abort(reason))).rejects.toBe(reason);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    using passphrase = GeneratedPassphrase.create();
    await expect(engine.format({ uuid: randomUUID(), passphrase })).resolves.toMatchObject({
      header: { version: 1 },
    });
  });

  it("does not start one whose signal has already fired", async () => {
    await expect(endless(AbortSignal.abort("never"))).rejects.toBe("never");
  });

  it("withdraws copies that wait for a thread; headers do not wait for copies", async () => {
    const controllers = Array.from({ length: 6 }, () => new AbortController());
    const copies = controllers.map(({ signal }) => endless(signal));
    const outcomes = Promise.allSettled(copies);
    using passphrase = GeneratedPassphrase.create();
    await engine.format({ uuid: randomUUID(), passphrase });
    for (const [i, controller] of controllers.toReversed().entries()) controller.abort(i);
    expect((await outcomes).map((outcome) => outcome.status === "rejected" && outcome.reason)).toEqual([
      5, 4, 3, 2, 1, 0,
    ]);
  });
});
