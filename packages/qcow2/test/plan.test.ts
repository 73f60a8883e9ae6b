import { randomUUID } from "node:crypto";
import { formatContainer, GeneratedPassphrase } from "@luksmith/luks";
import { describe, expect, it } from "vitest";
import { imageWrites, planImage } from "../src/index.ts";
import { GIB, KIB, MIB, TIB } from "./qemu.ts";

describe("planImage", () => {
  it.each([
    ["no bytes", { virtualSize: 0n }, "virtual-size"],
    ["part of a sector", { virtualSize: 1000n }, "virtual-size"],
    ["less than nothing", { virtualSize: -512n }, "virtual-size"],
    ["an L1 table above 32 MiB", { virtualSize: 8n * TIB + 512n, clusterBits: 12 }, "virtual-size-limit"],
    ["2^63 bytes", { virtualSize: 2n ** 63n, clusterBits: 21 }, "virtual-size-limit"],
    ["clusters of 256 bytes", { virtualSize: MIB, clusterBits: 8 }, "cluster-size"],
    ["clusters of 4 MiB", { virtualSize: MIB, clusterBits: 22 }, "cluster-size"],
    [
      "a backing file without a name",
      { virtualSize: MIB, backing: { file: "", format: "raw" } },
      "backing-file",
    ],
    ["a long name", { virtualSize: MIB, backing: { file: "x".repeat(1024), format: "raw" } }, "backing-file"],
    [
      "no room for a name",
      { virtualSize: MIB, clusterBits: 9, backing: { file: "x".repeat(400), format: "raw" } },
      "header-room",
    ],
    [
      "a format of several words",
      { virtualSize: MIB, backing: { file: "x", format: "raw json:" } },
      "backing-format",
    ],
    ["too small a LUKS area", { virtualSize: MIB, luks: { bytes: 4096 } }, "luks-length"],
  ])("refuses %s", (_name, request, reason) => {
    expect(() => planImage(request)).toThrow(
      expect.objectContaining({
        code: "Qcow2RequestInvalid",
        category: "input",
        details: expect.objectContaining({ reason }),
      }),
    );
  });

  it("goes as far as QEMU does", async () => {
    expect(planImage({ virtualSize: 8n * TIB, clusterBits: 12 }).header.l1.entries).toBe(4 * 1024 * 1024);
    expect(planImage({ virtualSize: 2n ** 61n, clusterBits: 21 }).header.l1.entries).toBe(4 * 1024 * 1024);
  });

  it("writes what QEMU writes: 36 clusters, the LUKS area from the fifth on", () => {
    using passphrase = GeneratedPassphrase.create();
    const plan = planImage({ virtualSize: GIB, luks: {} });
    expect(plan.clusters).toBe(36);
    expect(plan.header.luks).toEqual({ offset: 4 * 65_536, length: 0x1f_9000 });
    const uuid = randomUUID();
    expect(() => imageWrites(plan, formatContainer({ uuid, passphrase }))).toThrow(/payload|container/);
    expect(() => imageWrites(plan)).toThrow(expect.objectContaining({ code: "Qcow2RequestInvalid" }));
    const container = formatContainer({ uuid, passphrase, payloadOffset: 4040 });
    const bytes = imageWrites(plan, container).reduce((sum, write) => sum + write.bytes.length, 0);
    expect(BigInt(bytes)).toBeLessThan(260n * KIB);
  });
});
