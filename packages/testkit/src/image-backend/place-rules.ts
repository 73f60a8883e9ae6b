import { existsSync } from "node:fs";
import { randomUUID } from "node:crypto";
import type { DiskIdentity, Image, SnapshotTarget } from "@luksmith/core";
import { expect } from "vitest";
import { type BackendBench, MIB, type MadeDisk } from "./backend-bench.ts";
import { expectError, expectUntouched, sameBytes, sourceImage } from "./bench-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";
import { RecordingRollback } from "./recording-rollback.ts";

async function identityOf({ ctx }: BackendBench, image: Image): Promise<DiskIdentity> {
  const identity = await image.identify(ctx);
  if (identity) return identity;
  throw new Error(`${image.label} is there`);
}

/** The same disk under another name of its instance's. */
function renamed(bench: BackendBench, { disk }: MadeDisk, name = "disk.other"): Image {
  return bench.image({ ...disk, name });
}

/** IB-40 to IB-42: a disk under another name, or in a file elsewhere. */
export const PLACE_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-40",
    title: "gives a disk another name, and takes one that has it as success; if it can rename",
    async check(bench) {
      await using source = await sourceImage(MIB);
      const made = await bench.create({ kind: "image", image: source });
      const { image, passphrase } = made;
      if (!image.rename) return "the backend cannot rename";
      const identity = await identityOf(bench, image);
      await image.rename(identity, "disk.other", bench.ctx);
      expect(await image.identify(bench.ctx)).toBeUndefined();
      const other = renamed(bench, made);
      expect(await other.identify(bench.ctx)).toEqual(identity);
      const seen = await bench.fixture.oracle.read(other, passphrase);
      expect(sameBytes(seen.subarray(0, MIB), source.bytes), "the content is as it was").toBe(true);
      await expectUntouched(
        bench,
        () => image.rename?.(identity, "disk.other", bench.ctx) ?? Promise.resolve(),
      );
      await other.remove(identity, bench.ctx);
    },
  },
  {
    id: "IB-41",
    title: "renames over nothing, and nothing but the disk that was meant; if it can rename",
    async check(bench) {
      const made = await bench.create();
      const { image, disk } = made;
      if (!image.rename) return "the backend cannot rename";
      const identity = await identityOf(bench, image);
      const { instanceUuid } = disk;
      const there = await bench.create(undefined, { instanceUuid, name: "disk.other" });
      await expectUntouched(bench, async () => {
        await expectError(() => image.rename!(identity, "disk.other", bench.ctx), "DiskExists");
        const meant = await identityOf(bench, there.image);
        await expectError(() => image.rename!(meant, "disk.third", bench.ctx), "DiskReplaced");
      });
      const lost = renamed(bench, made, "disk.lost");
      await expectError(() => lost.rename!(identity, "disk.third", bench.ctx), "DiskNotFound");
    },
  },
  {
    id: "IB-42",
    title: "proves, takes over and erases a copy in a file that bears the disk's UUID and passphrase",
    when: ({ snapshot }) => snapshot.length > 0,
    async check(bench) {
      await using source = await sourceImage(4 * MIB);
      const { image, disk, passphrase } = await bench.create({ kind: "image", image: source });
      if (!image.adopt || !bench.fixture.snapshots) return "the backend adopts no files";
      const { format } = image.source();
      const { uuid } = disk;
      const copy: SnapshotTarget = {
        path: bench.fixture.snapshots.target(),
        format,
        uuid,
        operation: randomUUID(),
        passphrase,
      };
      const of = await image.snapshot(copy, new RecordingRollback(), bench.ctx);
      await image.proveCopy(copy.path, bench.ctx);
      const other = await bench.describe();
      await expectError(() => other.image.proveCopy(copy.path, bench.ctx), "DiskNotProven");

      await image.remove(await identityOf(bench, image), bench.ctx);
      // It stands alone now.
      const { backing: _backing, ...alone } = disk;
      const back = bench.image(alone);
      await back.adopt?.(copy.path, new RecordingRollback(), bench.ctx);
      expect((await back.verify(bench.ctx)).ok).toBe(true);
      const seen = await bench.fixture.oracle.read(back, passphrase);
      expect(sameBytes(seen, source.bytes), "the content is as it was").toBe(true);
      await back.removeCopy(copy.path, { ...of, ino: "0" }, bench.ctx);
      expect(existsSync(copy.path), "another file is left alone").toBe(true);
      await back.removeCopy(copy.path, of, bench.ctx);
      await back.removeCopy(copy.path, of, bench.ctx);
      expect(existsSync(copy.path)).toBe(false);
      expect((await back.verify(bench.ctx)).ok).toBe(true);
    },
  },
];
