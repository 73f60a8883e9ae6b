import { describe, expect, it } from "vitest";
import type { ByteSource } from "./byte-source.ts";
import { seed } from "./fixtures/seed.ts";
import { testContext } from "./fixtures/inspect-bytes.ts";
import { inspectImage } from "./inspect-image.ts";
import { Probe, READ_LIMIT } from "./probe.ts";

const endless: ByteSource = { size: 1n << 60n, read: async (_, length) => new Uint8Array(length) };

describe("Probe", () => {
  it("stops at its limit of reads", async () => {
    const probe = await Probe.open(endless, testContext);
    const reading = (async () => {
      for (let i = 0; i < 100; i++) await probe.read(1n << 40n, 1);
    })();
    await expect(reading).rejects.toMatchObject({ code: "ImageInspectionLimit", category: "input" });
    expect(probe.spent.reads).toBe(READ_LIMIT.reads);
  });

  it("stops before its limit of bytes", async () => {
    const probe = await Probe.open(endless, testContext);
    await expect(probe.read(1n << 40n, READ_LIMIT.bytes)).rejects.toMatchObject({
      code: "ImageInspectionLimit",
    });
  });

  it("does not read where the file has ended", async () => {
    const probe = await Probe.open({ ...endless, size: 10n }, testContext);
    expect(await probe.read(1n << 62n, 100)).toHaveLength(0);
  });

  it("turns a failing disk into an error of ours", async () => {
    const failing = {
      size: 4096n,
      read: () => Promise.reject(Object.assign(new Error("bad"), { code: "EIO" })),
    };
    await expect(inspectImage(failing, testContext)).rejects.toMatchObject({ code: "IoError" });
  });

  it("stops when the operation is cancelled", async () => {
    const ctx = { ...testContext, signal: AbortSignal.abort() };
    await expect(inspectImage(endless, ctx)).rejects.toMatchObject({ code: "Cancelled" });
  });

  it("copes with a source that gives less than its size promises", async () => {
    const image = seed("qcow2");
    const short: ByteSource = {
      size: BigInt(image.length),
      read: async (at, length) => image.subarray(Number(at), Number(at) + Math.min(length, 100)),
    };
    const { matches } = await inspectImage(short, testContext);
    expect(matches.flatMap(({ refusals }) => refusals.map(({ code }) => code))).toContain("ImageTruncated");
  });
});
