import { statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { qemuCheck, qemuIo } from "../../../testing/src/index.ts";
import { guestSize, MIB, openBench, overlay } from "./disks.ts";

const taken = (path: string): number => statSync(path).blocks * 512;

describe("the space that is asked for", () => {
  test.each([MIB, 7 * MIB + 512, 64 * MIB])(
    "is what a disk of %i bytes takes when it is full",
    async (bytes) => {
      await using bench = await openBench();
      const { image, passphrase } = await bench.create({ kind: "blank" }, { virtualSize: BigInt(bytes) });
      const disk = { path: image.path, format: "qcow2", passphrase } as const;
      expect(BigInt(statSync(image.path).size)).toBeLessThanOrEqual(image.spaceNeeded(0n));
      await qemuIo(disk, [`write -P 0x5a 0 ${bytes}`]);
      await qemuCheck(disk);
      const needed = Number(image.spaceNeeded(BigInt(bytes)));
      const { size } = statSync(image.path);
      expect(size).toBeLessThanOrEqual(needed);
      expect(needed - size, "not much more than that").toBeLessThan(16 * 65_536);
    },
  );
});

describe("preallocate_images = space", () => {
  test.each(["blank", "overlay"])(
    "reserves all that a %s disk can grow to, and what a resize adds",
    async (kind) => {
      await using bench = await openBench({ preallocate: "space" });
      const virtualSize = BigInt(6 * MIB);
      const made =
        kind === "overlay"
          ? await overlay(bench, "raw", { virtualSize: Number(virtualSize) })
          : await bench.create({ kind: "blank" }, { virtualSize });
      const { image, passphrase } = made;
      const disk = { path: image.path, format: "qcow2", passphrase } as const;
      await qemuCheck(disk);
      expect(statSync(image.path).size, "the file is as long as ever").toBeLessThan(3 * MIB);
      const reserved = taken(image.path);
      expect(reserved).toBeGreaterThanOrEqual(Number(image.spaceNeeded(0n)));
      await qemuIo(disk, ["write -P 0x5a 0 6M", "read -P 0x5a 0 6M"]);
      expect(taken(image.path), "the guest fills what is reserved").toBe(reserved);
      await image.resize(BigInt(9 * MIB), bench.ctx);
      expect(taken(image.path)).toBeGreaterThanOrEqual(reserved + 3 * MIB);
      expect(await guestSize(image, passphrase)).toBe(9 * MIB);
    },
  );

  test("without it a disk takes what its header takes", async () => {
    await using bench = await openBench();
    const { image } = await bench.create({ kind: "blank" }, { virtualSize: BigInt(16 * MIB) });
    expect(taken(image.path)).toBeLessThan(MIB);
  });
});
