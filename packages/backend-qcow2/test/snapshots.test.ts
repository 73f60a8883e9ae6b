import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { randomUUID } from "node:crypto";
import { type Command, type CommandResult, type CommandRunner, GeneratedPassphrase } from "@luksmith/core";
import { BackendBench, RecordingRollback } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import {
  CANARY,
  filesBelow,
  qemuCheck,
  qemuEqual,
  qemuImgInfo,
  qemuIo,
  qemuOpens,
  rawBytesContain,
  tempDirectory,
} from "../../../testing/src/index.ts";
import {
  type BaseFormat,
  type Format,
  guestDigest,
  MIB,
  openBench,
  overlay,
  snapshot,
  sourceOf,
} from "./disks.ts";
import { qcow2Fixture } from "./qcow2-fixture.ts";

const BASES: readonly (BaseFormat | "none")[] = ["none", "raw", "qcow2"];
const FORMATS: readonly Format[] = ["raw", "qcow2"];
const CASES = BASES.flatMap((base) => FORMATS.map((format) => ({ base, format })));
const SIZE = 5 * MIB + 3 * 512;

/** A disk on such a base, in which a guest has written. */
async function used(bench: BackendBench, base: BaseFormat | "none") {
  const virtualSize = SIZE;
  const made =
    base === "none"
      ? await bench.create({ kind: "blank" }, { virtualSize: BigInt(virtualSize) })
      : await overlay(bench, base, { virtualSize });
  const opened = { path: made.image.path, format: "qcow2", passphrase: made.passphrase } as const;
  const pattern = join(tempDirectory(), "pattern");
  writeFileSync(pattern, CANARY.repeat(10));
  await qemuIo(opened, [
    `write -s ${pattern} 1M 64k`,
    `write -P 0x77 ${virtualSize - 512} 512`,
    "write -z 2M 64k",
  ]);
  return { ...made, opened };
}

describe.each(CASES)("a $format snapshot of a disk on a base: $base", ({ base, format }) => {
  test("is equal to the disk, encrypted anew or plain as asked, and stands alone", async () => {
    await using bench = await openBench({ forceRaw: base !== "qcow2" });
    const { image, opened } = await used(bench, base);
    using own = GeneratedPassphrase.create();
    for (const passphrase of [own, undefined]) {
      const path = await snapshot(bench, image, format, passphrase);
      expect(await qemuEqual(opened, { path, format, passphrase }), "qemu-img compare").toBe(true);
      const info = await qemuImgInfo({ path, format, passphrase });
      expect(info["virtual-size"]).toBe(SIZE);
      expect(info["backing-filename"]).toBeUndefined();
      expect(await rawBytesContain(path, CANARY)).toBe(passphrase === undefined);
      if (format === "qcow2") await qemuCheck({ path, format, passphrase });
      expect(readdirSync(dirname(path)), "nothing besides").toEqual(["snapshot"]);
      const other = await qemuOpens({ path, format, passphrase: opened.passphrase }).catch(() => "plain");
      expect(passphrase && other, "the disk's own passphrase").toBe(passphrase && false);
    }
  });
});

describe("a snapshot", () => {
  test.each(FORMATS)("in %s of a plain disk is equal to it", async (format) => {
    await using bench = await openBench();
    const { image } = await sourceOf("raw", 2 * MIB);
    await using file = image;
    const plain = await bench.createPlain({ kind: "image", image: file });
    await qemuIo({ path: plain.path, format: "qcow2" }, ["write -P 0x12 3M 64k"]);
    const path = await snapshot(bench, plain, format);
    expect(await guestDigest(path, format)).toBe(await guestDigest(plain.path, "qcow2"));
  });

  test.each([511, 513, MIB + 1])("of a disk on a base of %i bytes is equal to it", async (bytes) => {
    await using bench = await openBench();
    const virtualSize = Math.ceil(bytes / 512) * 512 + 4096;
    const { image, passphrase } = await overlay(bench, "raw", { bytes, virtualSize });
    using own = GeneratedPassphrase.create();
    for (const key of [own, undefined]) {
      const path = await snapshot(bench, image, "raw", key);
      expect(await guestDigest(path, "raw", key)).toBe(await guestDigest(image.path, "qcow2", passphrase));
    }
  });

  test("keeps nothing plain beside it at any instant, nor in temporary directories", async () => {
    const seen: string[] = [];
    const directory = tempDirectory();
    const search = async (where: readonly string[]): Promise<void> => {
      for (const path of where.flatMap((each) => filesBelow(each).map((name) => join(each, name)))) {
        if (await rawBytesContain(path, CANARY).catch(() => false)) seen.push(path);
      }
    };
    await using bench = await BackendBench.open((services) =>
      qcow2Fixture({ ...services, commands: searching(services.commands, () => search([directory])) }),
    );
    const { image } = await used(bench, "raw");
    const ours = (): readonly string[] =>
      readdirSync(tmpdir()).filter((name) => !/^luksmith-[a-z0-9-]+-[A-Za-z0-9]{6}$/.test(name));
    const before = ours();
    for (const format of FORMATS) {
      using own = GeneratedPassphrase.create();
      const target = { path: join(directory, format), format, uuid: randomUUID(), operation: randomUUID() };
      const searches = setInterval(() => void search([directory]), 5);
      await image.snapshot({ ...target, passphrase: own }, new RecordingRollback(), bench.ctx);
      clearInterval(searches);
    }
    await search([directory, dirname(image.path)]);
    expect(seen).toEqual([]);
    expect(ours().filter((name) => !before.includes(name) && /luksmith|qemu|vl\./.test(name))).toEqual([]);
  });

  test("to and from names with commas is made there", async () => {
    await using bench = await openBench();
    const { image, passphrase, disk } = await bench.create({ kind: "blank" }, { name: "disk,read-only=on" });
    expect(image.path).toContain(disk.name);
    const directory = join(tempDirectory(), "a,b=c");
    mkdirSync(directory);
    for (const format of FORMATS) {
      const path = join(directory, `${format},format=raw`);
      const target = { path, format, uuid: randomUUID(), operation: randomUUID() } as const;
      await image.snapshot(target, new RecordingRollback(), bench.ctx);
      expect((await qemuImgInfo({ path, format }))["virtual-size"]).toBe(4 * MIB);
    }
    expect(passphrase).toBeDefined();
  });

  test("of a disk that was cut short is refused and leaves nothing", async () => {
    await using bench = await openBench();
    const { image, disk } = await used(bench, "none");
    await truncate(image.path, statSync(image.path).size - 65_536);
    const before = await bench.fixture.contents();
    const report = await bench.image(disk).verify(bench.ctx);
    expect(report.checks.filter(({ result }) => result === "fail")).toMatchObject([{ name: "clusters" }]);
    const resize = bench.image(disk).resize(BigInt(9 * MIB), bench.ctx);
    await expect(resize).rejects.toMatchObject({ category: "integrity" });
    for (const format of FORMATS) {
      const undo = new RecordingRollback();
      const path = join(tempDirectory(), "snapshot");
      using passphrase = GeneratedPassphrase.create();
      const target = { path, format, uuid: randomUUID(), operation: randomUUID(), passphrase };
      const made = bench.image(disk).snapshot(target, undo, bench.ctx);
      await expect(made).rejects.toMatchObject({ category: "integrity" });
      await undo.undo(image);
      expect(readdirSync(dirname(path))).toEqual([]);
    }
    expect(await bench.fixture.contents()).toEqual(before);
  });

  test.each(FORMATS)("in %s that is cancelled half-way leaves nothing", async (format) => {
    await using bench = await openBench();
    const { image } = await overlay(bench, "raw", { bytes: 16 * MIB, virtualSize: 16 * MIB });
    const stop = new AbortController();
    const ctx = { ...bench.ctx, signal: stop.signal, progress: () => stop.abort(new Error("enough")) };
    const undo = new RecordingRollback();
    const path = join(tempDirectory(), "snapshot");
    using passphrase = GeneratedPassphrase.create();
    const target = { path, format, uuid: randomUUID(), operation: randomUUID(), passphrase };
    const made = image.snapshot(target, undo, ctx);
    await expect(made).rejects.toMatchObject({ code: "Cancelled", category: "cancelled" });
    await undo.undo(image);
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  test("of a disk with damaged tables is refused, typed", async () => {
    await using bench = await openBench();
    const { image } = await used(bench, "none");
    const file = await open(image.path, "r+");
    const head = Buffer.alloc(104);
    await file.read(head, 0, 104, 0);
    // The first L1 entry points beyond the file.
    const entry = Buffer.alloc(8);
    entry.writeBigUInt64BE((1n << 63n) | (1n << 40n));
    await file.write(entry, 0, 8, Number(head.readBigUInt64BE(40)));
    await file.close();
    await expect(snapshot(bench, image, "raw")).rejects.toMatchObject({
      code: "Qcow2TableInvalid",
      category: "integrity",
    });
    rmSync(image.path);
  });
});

/** Looks at what a command left each time one ends. */
function searching(inner: CommandRunner, look: () => Promise<void>): CommandRunner {
  return {
    run: async (command: Command, ctx): Promise<CommandResult> => {
      const result = await inner.run(command, ctx);
      await look();
      return result;
    },
  };
}
