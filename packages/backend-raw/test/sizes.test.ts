import { statSync } from "node:fs";
import { BackendBench } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import { qemuImgInfo, qemuIo } from "../../../testing/src/index.ts";
import { rawFixture } from "./raw-fixture.ts";

const MIB = 1024 * 1024;
const HEADER_BYTES = 2 * MIB;

describe("preallocate_images = space", () => {
  test("reserves header and disk at once, and what a resize adds", async () => {
    await using bench = await BackendBench.open(rawFixture, { preallocate: "space" });
    const { image, passphrase } = await bench.create();
    expect(statSync(image.path).size).toBe(HEADER_BYTES + 4 * MIB);
    expect(statSync(image.path).blocks * 512).toBeGreaterThanOrEqual(HEADER_BYTES + 4 * MIB);
    await image.resize(BigInt(6 * MIB), bench.ctx);
    expect(statSync(image.path).blocks * 512).toBeGreaterThanOrEqual(HEADER_BYTES + 6 * MIB);
    const disk = { path: image.path, format: "raw", passphrase } as const;
    expect((await qemuImgInfo(disk))["virtual-size"]).toBe(6 * MIB);
  });

  test("without it a blank disk takes what its header takes", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image } = await bench.create({ kind: "blank" }, { virtualSize: BigInt(16 * MIB) });
    expect(statSync(image.path).size).toBe(HEADER_BYTES + 16 * MIB);
    expect(statSync(image.path).blocks * 512).toBeLessThan(HEADER_BYTES + MIB);
  });
});

describe("a resize", () => {
  test.each([4 * MIB + 512, 5 * MIB, 7 * MIB + 1536])("to %i bytes is exact for QEMU", async (bytes) => {
    await using bench = await BackendBench.open(rawFixture);
    const { image, passphrase } = await bench.create();
    const disk = { path: image.path, format: "raw", passphrase } as const;
    await qemuIo(disk, ["write -P 0x11 4193792 512"]);
    await image.resize(BigInt(bytes), bench.ctx);
    expect((await qemuImgInfo(disk))["virtual-size"]).toBe(bytes);
    await qemuIo(disk, ["read -P 0x11 4193792 512", `write -P 0x22 ${bytes - 512} 512`]);
    await qemuIo(disk, [`read -P 0x22 ${bytes - 512} 512`]);
  });

  test("of a disk that was cut short is refused: growing would hide the loss", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image } = await bench.create();
    const { truncate } = await import("node:fs/promises");
    await truncate(image.path, HEADER_BYTES + MIB);
    const before = await bench.fixture.contents();
    const resize = image.resize(BigInt(8 * MIB), bench.ctx);
    await expect(resize).rejects.toMatchObject({ category: "integrity" });
    expect(await bench.fixture.contents()).toEqual(before);
  });

  test("of a disk whose header is damaged is refused", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image } = await bench.create();
    await bench.fixture.damage(image, 0, Buffer.alloc(512));
    const before = await bench.fixture.contents();
    const resize = image.resize(BigInt(8 * MIB), bench.ctx);
    await expect(resize).rejects.toMatchObject({ code: "LuksHeaderInvalid", category: "integrity" });
    expect(await bench.fixture.contents()).toEqual(before);
  });
});
