import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GeneratedPassphrase, type Image, type ImageSource, type SnapshotTarget } from "@luksmith/core";
import { BackendBench, RecordingRollback } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import {
  CANARY,
  cryptsetupOpens,
  digestOf,
  qemuCheck,
  qemuDecrypt,
  qemuImgInfo,
  qemuIo,
  rawBytesContain,
  tempDirectory,
} from "../../../testing/src/index.ts";
import { rawFixture } from "./raw-fixture.ts";

const MIB = 1024 * 1024;
/** No multiple of a cluster. */
const SIZE = 3 * MIB + 3 * 512;
const BLANK: ImageSource = { kind: "blank" };

type Format = SnapshotTarget["format"];

async function snapshot(
  bench: BackendBench,
  image: Image,
  format: Format,
  passphrase?: GeneratedPassphrase,
): Promise<string> {
  const path = join(tempDirectory(), "snapshot");
  const target = { path, format, uuid: randomUUID(), operation: randomUUID() };
  await image.snapshot(passphrase ? { ...target, passphrase } : target, new RecordingRollback(), bench.ctx);
  return path;
}

/** A file that a guest would have written. */
async function guestWrites(disk: { path: string; passphrase?: GeneratedPassphrase }): Promise<void> {
  const pattern = join(tempDirectory(), "pattern");
  writeFileSync(pattern, CANARY.repeat(10));
  await qemuIo({ ...disk, format: "raw" }, [`write -s ${pattern} 1M 64k`, `write -P 0x77 ${SIZE - 512} 512`]);
}

/** `qemu-img check` throws on leaks and corruption. */
async function checksClean(path: string, passphrase: GeneratedPassphrase): Promise<boolean> {
  const { exitCode } = await qemuCheck({ path, format: "qcow2", passphrase });
  return exitCode === 0;
}

async function guestDigest(path: string, format: Format, passphrase?: GeneratedPassphrase): Promise<string> {
  const plain = join(tempDirectory(), "plain");
  await qemuDecrypt({ path, format, passphrase }, plain);
  return await digestOf(plain);
}

describe("a snapshot of an encrypted disk", () => {
  test("in qcow2 shows how far it is, to the end", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image } = await bench.create(BLANK, { virtualSize: BigInt(SIZE) });
    using passphrase = GeneratedPassphrase.create();
    const target = { path: join(tempDirectory(), "snapshot"), format: "qcow2", uuid: randomUUID() } as const;
    const done: bigint[] = [];
    const ctx = { ...bench.ctx, progress: ({ doneBytes }: { doneBytes: bigint }) => done.push(doneBytes) };
    await image.snapshot({ ...target, operation: randomUUID(), passphrase }, new RecordingRollback(), ctx);
    expect(done[0]).toBe(0n);
    expect(done.at(-1)).toBe(BigInt(SIZE));
  });

  test.each(["raw", "qcow2"] as const)("in %s is encrypted with a passphrase of its own", async (format) => {
    await using bench = await BackendBench.open(rawFixture);
    const { image, passphrase } = await bench.create(BLANK, { virtualSize: BigInt(SIZE) });
    await guestWrites({ path: image.path, passphrase });
    using own = GeneratedPassphrase.create();
    const path = await snapshot(bench, image, format, own);
    expect(await guestDigest(path, format, own)).toBe(await guestDigest(image.path, "raw", passphrase));
    expect(await rawBytesContain(path, CANARY)).toBe(false);
    await expect(qemuIo({ path, format, passphrase }, ["read 0 512"])).rejects.toThrow(/Invalid password/);
    const info = await qemuImgInfo({ path, format, passphrase: own });
    expect(info["virtual-size"]).toBe(SIZE);
    expect(info["backing-filename"]).toBeUndefined();
    const sound = { qcow2: checksClean, raw: cryptsetupOpens };
    expect(await sound[format](path, own)).toBe(true);
  });

  test.each(["raw", "qcow2"] as const)("in %s is plain when that was asked for", async (format) => {
    await using bench = await BackendBench.open(rawFixture);
    const { image, passphrase } = await bench.create(BLANK, { virtualSize: BigInt(SIZE) });
    await guestWrites({ path: image.path, passphrase });
    const path = await snapshot(bench, image, format);
    expect(await guestDigest(path, format)).toBe(await guestDigest(image.path, "raw", passphrase));
    expect(await rawBytesContain(path, CANARY)).toBe(true);
  });
});

describe("a snapshot of a plain disk", () => {
  test.each(["raw", "qcow2"] as const)("in %s is equal to it", async (format) => {
    await using bench = await BackendBench.open(rawFixture);
    const image = await bench.createPlain(BLANK, BigInt(SIZE));
    await guestWrites({ path: image.path });
    const path = await snapshot(bench, image, format);
    expect(await guestDigest(path, format)).toBe(await guestDigest(image.path, "raw"));
  });
});

describe("a snapshot", () => {
  test("to a name with commas is made there", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image } = await bench.create();
    const directory = join(tempDirectory(), "a,b=c");
    mkdirSync(directory);
    const path = join(directory, "x,format=raw");
    const target = { path, format: "qcow2", uuid: randomUUID(), operation: randomUUID() } as const;
    await image.snapshot(target, new RecordingRollback(), bench.ctx);
    expect((await qemuImgInfo({ path, format: "qcow2" }))["virtual-size"]).toBe(4 * MIB);
  });

  test("of a disk that was cut short is refused and leaves nothing", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image, disk } = await bench.create();
    const { truncate } = await import("node:fs/promises");
    await truncate(image.path, 3 * MIB);
    const before = await bench.fixture.contents();
    for (const format of ["raw", "qcow2"] as const) {
      const path = join(tempDirectory(), "snapshot");
      const undo = new RecordingRollback();
      const target = { path, format, uuid: randomUUID(), operation: randomUUID() };
      const made = bench.image(disk).snapshot(target, undo, bench.ctx);
      await expect(made).rejects.toMatchObject({ category: "integrity" });
      await undo.undo(image);
    }
    expect(await bench.fixture.contents()).toEqual(before);
  });
});
