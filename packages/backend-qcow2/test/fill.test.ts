import { randomBytes } from "node:crypto";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { createSectorCipher, LuksEngine } from "@luksmith/luks";
import { afterAll, describe, expect, it } from "vitest";
import { exportGuest, Qcow2File, Qcow2Writer, readGuest } from "../src/format/index.ts";
import { check, GIB, hasQemu, io, MIB, must, opened, type OurImage, runsOf, Workspace } from "./qemu.ts";

const engine = new LuksEngine({ threads: 2 });
afterAll(() => engine[Symbol.asyncDispose]());

type Part = { start: bigint; length: bigint };
const CANARY = "plaintext-canary-0123456789abcdef";

const keyOf = ({ container }: OurImage) => (container ? { volumeKey: container.volumeKey } : {});
const cipherOf = ({ container }: OurImage) =>
  container ? { cipher: createSectorCipher(container.volumeKey) } : {};

/** A source with data, zeros and holes, the canary in it now and then. */
function source(space: Workspace, size: number): { path: string; data: Buffer } {
  const data = Buffer.alloc(size);
  for (let at = 0; at < size; at += 3 * 1024 * 1024)
    randomBytes(Math.min(1_234_567, size - at)).copy(data, at);
  if (size > 100_000) for (let at = 5000; at < size; at += 700_001) data.write(CANARY, at);
  const path = space.file();
  writeFileSync(path, data);
  return { path, data };
}

async function fill(space: Workspace, image: OurImage, path: string, ...calls: Part[][]): Promise<void> {
  const from = await space.handle(path, "r");
  const writer = await Qcow2Writer.open(image.file, engine);
  for (const extents of calls) await writer.write({ fd: from.fd, extents, ...keyOf(image) });
  await writer.finish();
}

/** What our own reader makes of an image. */
async function exported(space: Workspace, image: OurImage): Promise<Buffer> {
  const path = space.file();
  writeFileSync(path, "");
  truncateSync(path, Number(image.file.virtualSize));
  const to = await space.handle(path);
  const file = await Qcow2File.open(image.handle);
  await exportGuest(file, { engine, to: { fd: to.fd, offset: 0n }, zeros: "skip", ...keyOf(image) });
  return readFileSync(path);
}

describe.skipIf(!hasQemu)("a filled image", () => {
  for (const encrypted of [true, false]) {
    for (const clusterBits of [9, 12, 16, 21]) {
      for (const size of [512, 65_536, 5 * 1024 * 1024 + 1536, 40 * 1024 * 1024 + 512]) {
        it(`is its source: ${size} bytes, clusters of 2^${clusterBits}, encrypted: ${encrypted}`, async () => {
          await using space = new Workspace();
          const { path, data } = source(space, size);
          const virtualSize = BigInt(size);
          const image = await space.image({ virtualSize, clusterBits, encrypted });
          await fill(space, image, path, [{ start: 0n, length: virtualSize }]);
          check(image);
          const secret = opened(image);
          must(
            "qemu-img",
            "compare",
            ...secret.slice(0, -2),
            "--image-opts",
            secret.at(-1) ?? "",
            `driver=raw,file.filename=${path}`,
          );
          expect((await exported(space, image)).equals(data)).toBe(true);
          const bytes = readFileSync(image.path);
          expect(bytes.includes(CANARY)).toBe(!encrypted && size > 100_000);
          // Zeros take no room, unless clusters are too coarse to tell.
          const dense = clusterBits === 21 || size < 30_000_000;
          expect(dense || bytes.length < size * 0.6 + 3_000_000).toBe(true);
        });
      }
    }
  }

  it("reads as zero outside the parts it was given, also where a guest grows into it", async () => {
    await using space = new Workspace();
    const { path, data } = source(space, 12 * 1024 * 1024);
    for (const encrypted of [true, false]) {
      for (const clusterBits of [12, 16, 20]) {
        const virtualSize = BigInt(data.length) - 512n;
        const image = await space.image({ virtualSize, clusterBits, encrypted });
        const parts: Part[] = [
          { start: 9n * MIB - 512n, length: 512n },
          { start: 512n, length: 1024n },
          { start: 3n * MIB + 1536n, length: 2n * MIB },
          { start: 5n * MIB, length: 4096n },
          { start: virtualSize - 4096n, length: 4096n },
        ];
        const later = [{ start: 10n * MIB, length: 70_144n }];
        await fill(space, image, path, parts, later);
        check(image);
        const expected = Buffer.alloc(Number(virtualSize));
        for (const { start, length } of [...parts, ...later]) {
          data.copy(expected, Number(start), Number(start), Number(start + length));
        }
        expect((await exported(space, image)).equals(expected)).toBe(true);
        must("qemu-img", "resize", "-q", ...opened(image), "16M");
        io(
          image,
          `read -P 0 ${virtualSize} ${16n * MIB - virtualSize}`,
          "read -P 0 0 512",
          "read -P 0 1536 2k",
        );
        const plain = space.file();
        must("qemu-img", "convert", ...opened(image), "-O", "raw", plain);
        expect(readFileSync(plain).subarray(0, expected.length).equals(expected)).toBe(true);
      }
    }
  });

  it("hides its base where it is zero, and only there", async () => {
    await using space = new Workspace();
    const base = space.file();
    writeFileSync(base, Buffer.alloc(6 * 1024 * 1024, 0x5a));
    const data = Buffer.alloc(8 * 1024 * 1024);
    randomBytes(1_048_576).copy(data, 1_048_576);
    const path = space.file();
    writeFileSync(path, data);
    for (const encrypted of [true, false]) {
      const backing = { file: base, format: "raw" };
      const image = await space.image({ virtualSize: 8n * MIB, backing, encrypted });
      await fill(space, image, path, [{ start: 0n, length: 3n * MIB }]);
      check(image);
      io(image, "read -P 0 0 1M", "read -P 0 2M 1M", "read -P 0x5a 3M 3M", "read -P 0 6M 2M");
      const guest = await readGuest(image.file, { start: 0n, length: 3 * 1024 * 1024 }, cipherOf(image));
      expect(Buffer.from(guest).equals(data.subarray(0, guest.length))).toBe(true);
      const kinds = (await runsOf(image.file)).map(({ kind, start }) => [kind, start / MIB]);
      expect(kinds).toEqual([
        ["zero", 0n],
        ["data", 1n],
        ["zero", 2n],
        ["unallocated", 3n],
      ]);
      await expect(
        readGuest(image.file, { start: 3n * MIB, length: 512 }, cipherOf(image)),
      ).rejects.toMatchObject({
        code: "Qcow2Unsupported",
      });
    }
  });

  it("gets a larger refcount table when it needs one", async () => {
    await using space = new Workspace();
    const { path, data } = source(space, 40 * 1024 * 1024);
    for (const encrypted of [true, false]) {
      // A table of one cluster counts 8 MiB here.
      const image = await space.image({ virtualSize: 40n * MIB, clusterBits: 9, encrypted });
      await fill(space, image, path, [{ start: 0n, length: 40n * MIB }]);
      expect(image.file.header.refcountTable.clusters).toBeGreaterThan(2);
      check(image);
      io(image, "write -P 1 0 40M", "read -P 1 0 40M");
      check(image);
      expect(data.length).toBe(40 * 1024 * 1024);
    }
  });
});

describe("Qcow2Writer", () => {
  it("refuses what it cannot do right", async () => {
    await using space = new Workspace();
    const { path } = source(space, 1024 * 1024);
    const from = await space.handle(path, "r");
    const image = await space.image({ virtualSize: 4n * MIB, encrypted: true });
    const writer = await Qcow2Writer.open(image.file, engine);
    const write = (extents: Part[], more = keyOf(image)) => writer.write({ fd: from.fd, extents, ...more });
    const refused = (reason: string) => ({ code: "Qcow2RequestInvalid", details: { reason } });
    await expect(write([{ start: 0n, length: 512n }], {})).rejects.toMatchObject(refused("volume-key"));
    await expect(write([{ start: 100n, length: 512n }])).rejects.toMatchObject(refused("extent"));
    await expect(write([{ start: 4n * MIB, length: 512n }])).rejects.toMatchObject(refused("extent"));
    await expect(write([{ start: 0n, length: 2n * MIB }])).rejects.toMatchObject(refused("source-end"));
    await write([{ start: 0n, length: 65_536n }]);
    await expect(write([{ start: 512n, length: 512n }])).rejects.toMatchObject(refused("written-twice"));
    await writer.finish();
    await expect(Qcow2Writer.open(await Qcow2File.open(image.handle), engine)).rejects.toMatchObject(
      refused("not-new"),
    );
    const overlay = await space.image({
      virtualSize: 4n * MIB,
      encrypted: false,
      backing: { file: path, format: "raw" },
    });
    const onBase = await Qcow2Writer.open(overlay.file, engine);
    const part = onBase.write({ fd: from.fd, extents: [{ start: 0n, length: 512n }] });
    await expect(part).rejects.toMatchObject(refused("partial-cluster"));
  });

  it("stops when told to, and reports how far it is", async () => {
    await using space = new Workspace();
    const path = space.file();
    writeFileSync(path, "");
    truncateSync(path, 200 * 1024 * 1024);
    const from = await space.handle(path, "r+");
    for (let at = 0; at < 200; at += 10) await from.write(Buffer.alloc(1024, 1), 0, 1024, at * 1024 * 1024);
    const image = await space.image({ virtualSize: GIB, encrypted: true });
    const writer = await Qcow2Writer.open(image.file, engine);
    const controller = new AbortController();
    const seen: bigint[] = [];
    const extents = [{ start: 0n, length: 200n * MIB }];
    const onProgress = (done: bigint, total: bigint): void => {
      expect(total).toBe(200n * MIB);
      if (seen.push(done) === 2) controller.abort(new Error("enough"));
    };
    const running = writer.write({
      fd: from.fd,
      extents,
      signal: controller.signal,
      onProgress,
      ...keyOf(image),
    });
    await expect(running).rejects.toThrow("enough");
    expect(seen).toEqual([64n * MIB, 128n * MIB]);
  });

  it("takes a source that ends within its last sector", async () => {
    await using space = new Workspace();
    const path = space.file();
    const data = randomBytes(100_000);
    writeFileSync(path, data);
    const image = await space.image({ virtualSize: MIB, encrypted: true });
    await fill(space, image, path, [{ start: 0n, length: 100_352n }]);
    const guest = Buffer.from(await readGuest(image.file, { start: 0n, length: 131_072 }, cipherOf(image)));
    expect(guest.equals(Buffer.concat([data, Buffer.alloc(131_072 - data.length)]))).toBe(true);
  });
});
