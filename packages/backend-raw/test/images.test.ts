import { randomUUID } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { ImageFile } from "@luksmith/core";
import { BackendBench } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import {
  CANARY,
  checkFilesystem,
  cryptsetupOpens,
  digestOf,
  ext4Image,
  isZero,
  luksDump,
  qemuDecrypt,
  qemuImgInfo,
  qemuIo,
  randomImage,
  rawBytesContain,
  sparseImage,
  tempDirectory,
} from "../../../testing/src/index.ts";
import { rawFixture } from "./raw-fixture.ts";

const MIB = 1024 * 1024;

async function openImage(path: string): Promise<ImageFile> {
  const file = await open(path, "r");
  const { size } = await file.stat({ bigint: true });
  const close = () => file.close();
  return {
    id: randomUUID(),
    format: "raw",
    path,
    fd: file.fd,
    size,
    virtualSize: size,
    [Symbol.asyncDispose]: close,
  };
}

describe("a disk filled from an image", () => {
  test("is the image to the byte, as QEMU sees it, and its file holds nothing of it in clear", async () => {
    const scratch = tempDirectory();
    const digest = randomImage(join(scratch, "image"), 5 * MIB);
    await using image = await openImage(join(scratch, "image"));
    await using bench = await BackendBench.open(rawFixture);
    const made = await bench.create({ kind: "image", image }, { virtualSize: BigInt(6 * MIB) });
    const disk = { path: made.image.path, format: "raw", passphrase: made.passphrase } as const;
    await qemuDecrypt(disk, join(scratch, "plain"));
    expect(await digestOf(join(scratch, "plain"), { length: 5 * MIB })).toBe(digest);
    expect(await rawBytesContain(disk.path, CANARY)).toBe(false);
    expect(await rawBytesContain(join(scratch, "plain"), CANARY)).toBe(true);
    expect(await cryptsetupOpens(disk.path, made.passphrase)).toBe(true);
    expect((await luksDump(disk.path)).get("UUID")).toBe(made.disk.uuid);
  });

  test("reads as zeros where the image has holes", async () => {
    const scratch = tempDirectory();
    sparseImage(join(scratch, "image"), 8 * MIB);
    await using image = await openImage(join(scratch, "image"));
    await using bench = await BackendBench.open(rawFixture);
    const { image: made, passphrase } = await bench.create(
      { kind: "image", image },
      { virtualSize: BigInt(8 * MIB) },
    );
    const plain = join(scratch, "plain");
    await qemuDecrypt({ path: made.path, format: "raw", passphrase }, plain);
    expect(await isZero(plain, MIB, 6 * MIB)).toBe(true);
    expect(await digestOf(plain)).toBe(await digestOf(join(scratch, "image")));
  });

  test("holds a file system that checks clean", async () => {
    const scratch = tempDirectory();
    await ext4Image(join(scratch, "image"), 8 * MIB, scratch);
    await using image = await openImage(join(scratch, "image"));
    await using bench = await BackendBench.open(rawFixture);
    const { image: made, passphrase } = await bench.create(
      { kind: "image", image },
      { virtualSize: BigInt(8 * MIB) },
    );
    expect(await rawBytesContain(made.path, CANARY)).toBe(false);
    await qemuDecrypt({ path: made.path, format: "raw", passphrase }, join(scratch, "plain"));
    await checkFilesystem(join(scratch, "plain"), "ext4");
    expect(await rawBytesContain(join(scratch, "plain"), CANARY)).toBe(true);
  });

  test.each([511, 513, 4097, MIB + 1])(
    "takes an image of %i bytes, its last sector ending in zeros",
    async (bytes) => {
      const scratch = tempDirectory();
      const digest = randomImage(join(scratch, "image"), bytes);
      await using image = await openImage(join(scratch, "image"));
      await using bench = await BackendBench.open(rawFixture);
      const size = Math.ceil(bytes / 512) * 512;
      const { image: made, passphrase } = await bench.create(
        { kind: "image", image },
        { virtualSize: BigInt(size) },
      );
      const disk = { path: made.path, format: "raw", passphrase } as const;
      expect((await qemuImgInfo(disk))["virtual-size"]).toBe(size);
      await qemuDecrypt(disk, join(scratch, "plain"));
      expect(await digestOf(join(scratch, "plain"), { length: bytes })).toBe(digest);
      expect(await isZero(join(scratch, "plain"), bytes, size - bytes)).toBe(true);
    },
  );
});

describe("what a guest writes", () => {
  test("is on the storage encrypted only, and reads back through QEMU", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image, passphrase } = await bench.create();
    const disk = { path: image.path, format: "raw", passphrase } as const;
    await qemuIo(disk, ["write -P 0xa5 1M 64k", "write -P 0x5a 4190208 4096"]);
    await qemuIo(disk, ["read -P 0xa5 1M 64k", "read -P 0x5a 4190208 4096"]);
    expect(await rawBytesContain(disk.path, Buffer.alloc(64, 0xa5))).toBe(false);
    expect(await rawBytesContain(disk.path, Buffer.alloc(64, 0x5a))).toBe(false);
  });

  test("a pattern that is not there fails the oracle", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image, passphrase } = await bench.create();
    const disk = { path: image.path, format: "raw", passphrase } as const;
    await expect(qemuIo(disk, ["read -P 0xa5 1M 64k"])).rejects.toThrow();
  });
});
