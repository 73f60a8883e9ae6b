import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { LuksEngine } from "@luksmith/luks";
import { afterAll, describe, expect, it } from "vitest";
import { readGuest, spaceNeeded } from "../src/index.ts";
import { CANARY, cipherOf, exported, fill, type Part, source } from "./guest-content.ts";
import { check, hasQemu, io, MIB, must, opened, runsOf } from "./qemu.ts";
import { Workspace } from "./workspace.ts";

const engine = new LuksEngine({ threads: 2 });
afterAll(() => engine[Symbol.asyncDispose]());

describe.skipIf(!hasQemu)("a filled image", () => {
  for (const encrypted of [true, false]) {
    for (const clusterBits of [9, 12, 16, 21]) {
      for (const size of [512, 65_536, 5 * 1024 * 1024 + 1536, 40 * 1024 * 1024 + 512]) {
        it(`is its source: ${size} bytes, clusters of 2^${clusterBits}, encrypted: ${encrypted}`, async () => {
          await using space = new Workspace();
          const { path, data } = source(space, size);
          const virtualSize = BigInt(size);
          const image = await space.image({ virtualSize, clusterBits, encrypted });
          await fill(space, engine, image, path, [{ start: 0n, length: virtualSize }]);
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
          expect((await exported(space, engine, image)).equals(data)).toBe(true);
          const bytes = readFileSync(image.path);
          expect(bytes.includes(CANARY)).toBe(!encrypted && size > 100_000);
          expect(spaceNeeded(image.plan, virtualSize)).toBeGreaterThanOrEqual(BigInt(bytes.length));
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
        await fill(space, engine, image, path, parts, later);
        check(image);
        const expected = Buffer.alloc(Number(virtualSize));
        for (const { start, length } of [...parts, ...later]) {
          data.copy(expected, Number(start), Number(start), Number(start + length));
        }
        expect((await exported(space, engine, image)).equals(expected)).toBe(true);
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
      await fill(space, engine, image, path, [{ start: 0n, length: 3n * MIB }]);
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
    const { path } = source(space, 40 * 1024 * 1024);
    for (const encrypted of [true, false]) {
      // A table of one cluster counts 8 MiB here.
      const image = await space.image({ virtualSize: 40n * MIB, clusterBits: 9, encrypted });
      await fill(space, engine, image, path, [{ start: 0n, length: 40n * MIB }]);
      expect(image.file.header.refcountTable.clusters).toBeGreaterThan(2);
      check(image);
      io(image, "write -P 1 19M 3M", "read -P 1 19M 3M");
      check(image);
    }
  });
});
