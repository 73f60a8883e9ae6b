import { rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  CANARY,
  isZero,
  qemuCheck,
  qemuDecrypt,
  qemuIo,
  rawBytesContain,
  runTool,
  tempDirectory,
} from "../../../testing/src/index.ts";
import { guestDigest, guestSize, MIB, openBench, overlay, printOf, sourceOf } from "./disks.ts";

const KINDS = [
  { format: "raw", clusterSize: 65_536 },
  { format: "qcow2", clusterSize: 4096 },
  { format: "qcow2", clusterSize: 65_536 },
  { format: "qcow2", clusterSize: 2 * MIB },
] as const;

interface Info {
  readonly "backing-filename"?: string;
  readonly "backing-filename-format"?: string;
  readonly "cluster-size"?: number;
  readonly encrypted?: boolean;
}

async function info(path: string): Promise<Info> {
  const { stdout } = await runTool("qemu-img", ["info", "--output=json", "-f", "qcow2", path]);
  return JSON.parse(stdout) as Info;
}

describe.each(KINDS)("an overlay on a plain $format base with clusters of $clusterSize", (kind) => {
  const { format, clusterSize } = kind;

  test("is encrypted, shows the image, and leaves the base alone", async () => {
    await using bench = await openBench({ forceRaw: format === "raw" });
    const made = await overlay(bench, format, { clusterSize });
    const disk = { path: made.image.path, format: "qcow2", passphrase: made.passphrase } as const;
    const before = printOf(made.base);
    expect(await info(disk.path)).toMatchObject({
      "backing-filename": made.base,
      "backing-filename-format": format,
      "cluster-size": clusterSize,
      encrypted: true,
    });
    expect(await guestDigest(disk.path, "qcow2", made.passphrase, { length: 3 * MIB })).toBe(made.digest);

    const pattern = join(tempDirectory(), "pattern");
    writeFileSync(pattern, "what only this guest knows; ".repeat(100));
    await qemuIo(disk, [`write -s ${pattern} 1000k 64k`, `write -s ${pattern} 4M 64k`]);
    await qemuCheck(disk);
    const plain = join(tempDirectory(), "plain");
    await qemuDecrypt(disk, plain);
    expect(await rawBytesContain(plain, "what only this guest knows")).toBe(true);
    expect(await rawBytesContain(disk.path, "what only this guest knows")).toBe(false);
    // What it copied of the base, around what the guest wrote, is encrypted too.
    expect(await rawBytesContain(disk.path, CANARY)).toBe(false);
    expect(printOf(made.base)).toBe(before);

    await bench.fixture.backend.image(made.disk).resize(BigInt(8 * MIB + 512), bench.ctx);
    expect(await guestSize(made.image, made.passphrase)).toBe(8 * MIB + 512);
    await qemuDecrypt(disk, plain);
    expect(await isZero(plain, 5 * MIB, 3 * MIB + 512)).toBe(true);
    expect(await rawBytesContain(plain, "what only this guest knows")).toBe(true);
    await qemuIo(disk, [`write -P 0x33 ${8 * MIB} 512`, `read -P 0x33 ${8 * MIB} 512`]);
    await qemuCheck(disk);
    expect(printOf(made.base)).toBe(before);
  });
});

describe("a base", () => {
  test("is made once for two overlays, and outlives both", async () => {
    await using bench = await openBench();
    const { image, digest } = await sourceOf("raw", 2 * MIB);
    await using file = image;
    const first = await bench.create({ kind: "image", image: file });
    const second = await bench.create({ kind: "image", image: file });
    const base = first.image.source().backing?.file ?? "";
    const before = printOf(base);
    expect(second.image.source().backing).toEqual(first.image.source().backing);
    const disk = { path: first.image.path, format: "qcow2", passphrase: first.passphrase } as const;
    await qemuIo(disk, ["write -P 0x44 0 2M"]);
    const { path } = second.image;
    expect(await guestDigest(path, "qcow2", second.passphrase, { length: 2 * MIB })).toBe(digest);

    for (const each of [first, second]) {
      const identity = await each.image.requireOurs(undefined, bench.ctx);
      if (!identity) throw new Error("the disk is there");
      await each.image.remove(identity, bench.ctx);
      expect(statSync(dirname(each.image.path), { throwIfNoEntry: false })).toBeUndefined();
    }
    expect(printOf(base)).toBe(before);
  });

  test("under a plain disk is used as well, and the guest's data is plain as asked", async () => {
    await using bench = await openBench();
    const { image, digest } = await sourceOf("raw", 2 * MIB);
    await using file = image;
    const plain = await bench.createPlain({ kind: "image", image: file });
    expect(await guestDigest(plain.path, "qcow2", undefined, { length: 2 * MIB })).toBe(digest);
    expect(plain.source().backing?.format).toBe("raw");
    expect((await info(plain.path)).encrypted).not.toBe(true);
    await plain.resize(BigInt(7 * MIB), bench.ctx);
    expect(await guestSize(plain)).toBe(7 * MIB);
  });

  test("that was there already, of another size, is refused before anything is made", async () => {
    await using bench = await openBench();
    const { image } = await sourceOf("raw", 2 * MIB);
    await using file = image;
    const { image: first } = await bench.create({ kind: "image", image: file });
    const base = first.source().backing?.file ?? "";
    rmSync(base);
    writeFileSync(base, Buffer.alloc(MIB));
    const { image: second, passphrase, undo } = await bench.describe();
    const before = await bench.fixture.contents();
    const create = second.create({ source: { kind: "image", image: file }, passphrase }, undo, bench.ctx);
    await expect(create).rejects.toMatchObject({ code: "ImageUnacceptable" });
    expect(await bench.fixture.contents()).toEqual(before);
  });

  test.each([511, 513, 4097, MIB + 1])(
    "of %i bytes, not whole sectors, reads as zeros beyond",
    async (bytes) => {
      await using bench = await openBench();
      const virtualSize = Math.ceil(bytes / 512) * 512;
      const made = await overlay(bench, "raw", { bytes, virtualSize });
      const { path } = made.image;
      expect(await guestSize(made.image, made.passphrase)).toBe(virtualSize);
      expect(await guestDigest(path, "qcow2", made.passphrase, { length: bytes })).toBe(made.digest);
      const disk = { path, format: "qcow2", passphrase: made.passphrase } as const;
      const plain = join(tempDirectory(), "plain");
      await qemuDecrypt(disk, plain);
      expect(await isZero(plain, bytes, virtualSize - bytes)).toBe(true);
    },
  );
});
