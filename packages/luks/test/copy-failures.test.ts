import { getEventListeners } from "node:events";
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { type CopyRequest, copySpans } from "../src/engine/copy-request.ts";
import { GeneratedPassphrase } from "../src/index.ts";
import { CopyFixture, sealed } from "./copy-fixture.ts";

const fixture = new CopyFixture();
afterAll(() => fixture[Symbol.asyncDispose]());
const { engine, key } = fixture;
const file = (content: Uint8Array | number): { path: string; fd: number } => fixture.file(content);
const refused = (code: string) => expect.objectContaining({ code });

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
  it("ENOSPC keeps its code", async () => {
    const fd = fixture.open("/dev/full", "w");
    for (const length of [4096n, 64n * 1048576n]) {
      const copy = engine.copy({ from: "zero", to: { fd, offset: 0n, volumeKey: key }, length });
      await expect(copy).rejects.toMatchObject({ code: "ENOSPC", syscall: "write" });
    }
  });

  it("EIO, EBADF and EISDIR keep theirs", async () => {
    const target = file(0);
    const from = (fd: number) =>
      engine.copy({ from: { fd, offset: 0n }, to: { fd: target.fd, offset: 0n }, length: 8n * 1048576n });
    await expect(from(fixture.open("/proc/self/mem", "r"))).rejects.toMatchObject({ code: "EIO" });
    await expect(from(fixture.open(fixture.directory, "r"))).rejects.toMatchObject({ code: "EISDIR" });
    await expect(from(1_000_000)).rejects.toMatchObject({ code: "EBADF" });
  });
});

describe("cancelling", () => {
  const endless = (signal: AbortSignal, onProgress?: () => void): Promise<{ bytes: bigint }> => {
    const fd = fixture.open("/dev/null", "w");
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
