import { randomFillSync } from "node:crypto";
import { expect } from "vitest";
import { GeneratedPassphrase, parseHeader, type VerifyReport } from "@luksmith/core";
import { MIB } from "./backend-bench.ts";
import { expectError, expectUntouched, luksBytes, sameBytes, sourceImage } from "./bench-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";

const failedChecks = (report: VerifyReport): readonly string[] =>
  report.checks.filter(({ result }) => result === "fail").map(({ name }) => name);

/** IB-17 to IB-25: a disk is looked at, grown, erased and removed, and only if it is the right one. */
export const LIFE_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-17",
    title: "verifies a good disk, and changes nothing by that",
    async check(bench) {
      const { image } = await bench.create();
      const report = await expectUntouched(bench, () => image.verify(bench.ctx));
      expect(failedChecks(report)).toEqual([]);
      expect(report.ok).toBe(true);
      const names = report.checks.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(["size", "header", "passphrase", "wrong-passphrase"]));
    },
  },
  {
    id: "IB-18",
    title: "does not verify a disk with a damaged header, a lost or another secret, or another UUID",
    async check(bench) {
      const damaged = await bench.create();
      await bench.fixture.damage(damaged.image, 0, randomFillSync(Buffer.alloc(512)));
      expect(failedChecks(await damaged.image.verify(bench.ctx))).toContain("header");

      const lost = await bench.create();
      await bench.keys.delete({ id: lost.disk.encryption?.secretId ?? "" }, bench.ctx);
      expect(failedChecks(await lost.image.verify(bench.ctx))).toEqual(["passphrase"]);

      const { disk } = await bench.create();
      using passphrase = GeneratedPassphrase.create();
      const other = await bench.keys.create({ name: "another", passphrase }, bench.ctx);
      const misled = bench.image({ ...disk, encryption: { format: "luks", secretId: other.id } });
      expect(failedChecks(await misled.verify(bench.ctx))).toEqual(["passphrase"]);

      const renamed = bench.image({ ...disk, uuid: other.id });
      expect(failedChecks(await renamed.verify(bench.ctx))).toEqual(["header"]);
    },
  },
  {
    id: "IB-19",
    title: "does not verify a disk that is not there or has another size",
    async check(bench) {
      const { image } = await bench.describe();
      expect((await image.verify(bench.ctx)).ok).toBe(false);
      const { disk } = await bench.create();
      const report = await bench.image({ ...disk, virtualSize: disk.virtualSize + 512n }).verify(bench.ctx);
      expect(failedChecks(report)).toEqual(["size"]);
    },
  },
  {
    id: "IB-20",
    title: "grows a disk to the byte, keeps its content, and takes the same size again as success",
    when: ({ resize }) => resize,
    async check(bench) {
      await using source = await sourceImage(4 * MIB);
      const { image, disk, passphrase } = await bench.create({ kind: "image", image: source });
      const virtualSize = BigInt(6 * MIB + 512);
      await image.resize(virtualSize, bench.ctx);
      await image.resize(virtualSize, bench.ctx);
      const seen = await bench.fixture.oracle.read(image, passphrase);
      expect(seen.length).toBe(Number(virtualSize));
      expect(sameBytes(seen.subarray(0, 4 * MIB), source.bytes), "the content is as it was").toBe(true);
      expect((await bench.image({ ...disk, virtualSize }).verify(bench.ctx)).ok).toBe(true);
    },
  },
  {
    id: "IB-21",
    title: "refuses to shrink a disk, and to grow one that it cannot grow",
    async check(bench) {
      const { image, disk } = await bench.create();
      const { resize } = bench.fixture.backend.capabilities;
      await expectUntouched(bench, async () => {
        const shrink = () => image.resize(disk.virtualSize - 512n, bench.ctx);
        await expectError(shrink, resize ? "CannotShrink" : "UnsupportedOperation", "unsupported");
        if (resize) return;
        await expectError(() => image.resize(disk.virtualSize * 2n, bench.ctx), "UnsupportedOperation");
      });
    },
  },
  {
    id: "IB-22",
    title: "erases: the stored passphrase opens it never again; idempotent",
    async check(bench) {
      const { image, disk, passphrase } = await bench.create();
      const before = await luksBytes(bench, image);
      await image.erase(bench.ctx);
      await image.erase(bench.ctx);
      expect(await bench.fixture.oracle.opens(image, passphrase)).toBe(false);
      // The header alone must not do: key material that is kept can be put under a forged header.
      const after = await luksBytes(bench, image);
      const [slot] = parseHeader(before).keySlots;
      const at = (slot?.keyMaterialOffset ?? 0) * 512;
      const length = 4000 * 64;
      expect(sameBytes(before.subarray(at, at + length), after.subarray(at, at + length))).toBe(false);
      expect(failedChecks(await bench.image(disk).verify(bench.ctx))).toContain("passphrase");
    },
  },
  {
    id: "IB-23",
    title: "removes a disk, and takes one that is gone as success",
    async check(bench) {
      const before = await bench.fixture.contents();
      const { image } = await bench.create();
      const identity = await image.requireOurs(undefined, bench.ctx);
      if (!identity) throw new Error("the disk is there");
      await image.remove(identity, bench.ctx);
      await image.remove(identity, bench.ctx);
      expect(await image.identify(bench.ctx)).toBeUndefined();
      expect(await bench.fixture.contents()).toEqual(before);
    },
  },
  {
    id: "IB-24",
    title: "neither claims nor removes what somebody else has put in the disk's place",
    async check(bench) {
      const { image } = await bench.create();
      const identity = await image.identify(bench.ctx);
      if (!identity) throw new Error("the disk is there");
      await bench.fixture.replace(image);
      await expectUntouched(bench, async () => {
        await expectError(() => image.remove(identity, bench.ctx), "DiskReplaced", "integrity");
        await expectError(() => image.requireOurs(identity, bench.ctx), "DiskReplaced", "integrity");
      });
    },
  },
  {
    id: "IB-25",
    title: "keeps apart two disks of one instance",
    async check(bench) {
      const { disk, image } = await bench.create();
      const second = await bench.create(
        { kind: "blank" },
        { instanceUuid: disk.instanceUuid, name: "disk.swap" },
      );
      const identity = await second.image.identify(bench.ctx);
      if (!identity) throw new Error("the disk is there");
      await second.image.remove(identity, bench.ctx);
      expect((await image.verify(bench.ctx)).ok).toBe(true);
    },
  },
];
