import { randomBytes, randomUUID } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { GeneratedPassphrase, type Image, type SnapshotTarget } from "@luksmith/core";
import { BackendBench, RecordingRollback } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import {
  CANARY,
  qemuCheck,
  qemuEqual,
  qemuIo,
  qemuOpens,
  rawBytesContain,
  tempDirectory,
} from "../../../testing/src/index.ts";
import { rawFixture } from "./raw-fixture.ts";

const MIB = 1024 * 1024;
/** No multiple of a cluster, and more than is looked at in one go. */
const SIZE = 72 * MIB + 3 * 512;

function targetOf(passphrase?: GeneratedPassphrase): SnapshotTarget {
  const path = join(tempDirectory(), "snapshot");
  const target = { path, format: "qcow2", uuid: randomUUID(), operation: randomUUID() } as const;
  return passphrase ? { ...target, passphrase } : target;
}

/** Zeros that a guest wrote, data at both ends, and far from each other. */
async function used(bench: BackendBench): Promise<{ image: Image; passphrase: GeneratedPassphrase }> {
  const made = await bench.create({ kind: "blank" }, { virtualSize: BigInt(SIZE) });
  const pattern = join(tempDirectory(), "pattern");
  writeFileSync(pattern, CANARY.repeat(10));
  await qemuIo({ path: made.image.path, format: "raw", passphrase: made.passphrase }, [
    `write -P 0 0 ${SIZE}`,
    `write -s ${pattern} 1M 64k`,
    "write -P 0x11 0 512",
    "write -P 0x33 65M 100k",
    `write -P 0x77 ${SIZE - 512} 512`,
  ]);
  return made;
}

describe("a qcow2 snapshot", () => {
  test("is equal, clean and small; opens with its own passphrase only; and starts no program", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image, passphrase: original } = await used(bench);
    using own = GeneratedPassphrase.create();
    for (const passphrase of [own, undefined]) {
      const target = targetOf(passphrase);
      const before = bench.commands.seen.length;
      await image.snapshot(target, new RecordingRollback(), bench.ctx);
      expect(bench.commands.seen.slice(before)).toEqual([]);
      const copy = { path: target.path, format: "qcow2", passphrase } as const;
      const disk = { path: image.path, format: "raw", passphrase: original } as const;
      expect(await qemuEqual(disk, copy), "qemu-img compare").toBe(true);
      await qemuCheck(copy);
      expect(statSync(target.path).size, "zeros take no room").toBeLessThan(4 * MIB);
      expect(statSync(target.path).mode & 0o777).toBe(0o600);
      expect(readdirSync(dirname(target.path)), "nothing besides").toEqual(["snapshot"]);
      expect(await rawBytesContain(target.path, CANARY)).toBe(passphrase === undefined);
      // QEMU has no use for a passphrase where nothing is encrypted.
      const opens = await qemuOpens({ ...copy, passphrase: original });
      expect(opens, "the disk's passphrase").toBe(passphrase === undefined);
      expect(await rawBytesContain(target.path, target.uuid), "its UUID").toBe(passphrase !== undefined);
    }
  });

  test("of what nobody wrote is the noise that the guest sees there", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const virtualSize = BigInt(3 * MIB + 512);
    const { image, passphrase } = await bench.create({ kind: "blank" }, { virtualSize });
    const target = targetOf();
    await image.snapshot(target, new RecordingRollback(), bench.ctx);
    const disk = { path: image.path, format: "raw", passphrase } as const;
    expect(await qemuEqual(disk, { path: target.path, format: "qcow2" })).toBe(true);
    expect(statSync(target.path).size).toBeGreaterThan(3 * MIB);
  });

  test("of a plain disk has no room for its holes", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const image = await bench.createPlain({ kind: "blank" }, BigInt(SIZE));
    await qemuIo({ path: image.path, format: "raw" }, ["write -P 0x12 66M 64k"]);
    using own = GeneratedPassphrase.create();
    const target = targetOf(own);
    await image.snapshot(target, new RecordingRollback(), bench.ctx);
    const copy = { path: target.path, format: "qcow2", passphrase: own } as const;
    expect(await qemuEqual({ path: image.path, format: "raw" }, copy)).toBe(true);
    expect(statSync(target.path).size).toBeLessThan(4 * MIB);
  });

  test("has a volume key of its own", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const data = randomBytes(MIB);
    const { image, passphrase } = await bench.create({ kind: "blank" }, { virtualSize: BigInt(MIB) });
    await bench.fixture.oracle.write(image, passphrase, 0, data);
    const copies = [];
    for (let i = 0; i < 2; i++) {
      using own = GeneratedPassphrase.create();
      const target = targetOf(own);
      await image.snapshot(target, new RecordingRollback(), bench.ctx);
      copies.push(readFileSync(target.path));
    }
    const [one, other] = copies.map((bytes) => bytes.subarray(-65_536));
    expect(one?.equals(other ?? Buffer.alloc(0))).toBe(false);
    expect(copies[0]?.length).toBe(copies[1]?.length);
  });

  test("that is cancelled after its first window leaves nothing, and nothing plain while it lasts", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image } = await used(bench);
    using own = GeneratedPassphrase.create();
    const target = targetOf(own);
    const directory = dirname(target.path);
    const stop = new AbortController();
    const seen: { doneBytes: bigint; totalBytes: bigint }[] = [];
    const found: Promise<boolean>[] = [];
    const progress = (at: { doneBytes: bigint; totalBytes: bigint }): void => {
      seen.push(at);
      for (const name of readdirSync(directory)) found.push(rawBytesContain(join(directory, name), CANARY));
      if (at.doneBytes > 0n) stop.abort(new Error("enough"));
    };
    const undo = new RecordingRollback();
    const made = image.snapshot(target, undo, { ...bench.ctx, signal: stop.signal, progress });
    await expect(made).rejects.toMatchObject({ code: "Cancelled", category: "cancelled" });
    expect(seen.map(({ doneBytes }) => doneBytes)).toEqual([0n, BigInt(64 * MIB)]);
    expect(seen.every(({ totalBytes }) => totalBytes === BigInt(SIZE))).toBe(true);
    expect(found.length).toBeGreaterThan(0);
    expect(await Promise.all(found)).not.toContain(true);
    await undo.undo(image);
    expect(readdirSync(directory)).toEqual([]);
  });
});
