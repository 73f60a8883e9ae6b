import { randomUUID } from "node:crypto";
import { GeneratedPassphrase, type SnapshotTarget } from "@luksmith/core";
import { expect } from "vitest";
import { type BackendBench, MIB } from "./backend-bench.ts";
import { expectError, expectUntouched, sameBytes, sourceImage } from "./bench-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";
import type { SnapshotOracle } from "./image-backend-fixture.ts";
import { RecordingRollback } from "./recording-rollback.ts";

type Format = SnapshotTarget["format"];

const FORMATS: readonly Format[] = ["raw", "qcow2"];

function oracleOf({ fixture }: BackendBench): SnapshotOracle {
  if (fixture.snapshots) return fixture.snapshots;
  throw new Error("the backend declares snapshots, so its fixture must have `snapshots`");
}

function targetOf(bench: BackendBench, format: Format, passphrase?: GeneratedPassphrase): SnapshotTarget {
  const made = { path: oracleOf(bench).target(), format, uuid: randomUUID(), operation: randomUUID() };
  return passphrase ? { ...made, passphrase } : made;
}

const declared = ({ snapshot }: { snapshot: readonly Format[] }): boolean => snapshot.length > 0;

/** IB-26 to IB-29: copies. */
export const SNAPSHOT_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-26",
    title: "copies a disk, in each format it declares, encrypted with a key of its own or plain as asked",
    when: declared,
    async check(bench) {
      const snapshots = oracleOf(bench);
      await using source = await sourceImage(4 * MIB);
      const { image, passphrase: original } = await bench.create({ kind: "image", image: source });
      for (const format of bench.fixture.backend.capabilities.snapshot) {
        using passphrase = GeneratedPassphrase.create();
        for (const target of [targetOf(bench, format, passphrase), targetOf(bench, format)]) {
          await image.snapshot(target, new RecordingRollback(), bench.ctx);
          const seen = await snapshots.read(target.path, format, target.passphrase);
          expect(
            sameBytes(seen, source.bytes),
            `${format} ${target.passphrase ? "encrypted" : "plain"}`,
          ).toBe(true);
          if (!target.passphrase) continue;
          await expect(
            snapshots.read(target.path, format, original),
            "the disk's passphrase",
          ).rejects.toThrow();
        }
      }
    },
  },
  {
    id: "IB-27",
    title: "copies over nothing",
    when: declared,
    async check(bench) {
      const { image } = await bench.create();
      const [format = "raw"] = bench.fixture.backend.capabilities.snapshot;
      const target = targetOf(bench, format);
      await image.snapshot(target, new RecordingRollback(), bench.ctx);
      await expectUntouched(bench, async () => {
        const undo = new RecordingRollback();
        await expectError(() => image.snapshot(target, undo, bench.ctx), "TargetExists", "conflict");
        await undo.undo(image);
      });
    },
  },
  {
    id: "IB-28",
    title: "leaves no half copy when it stops after any of its undo records",
    when: declared,
    async check(bench) {
      const { image, disk } = await bench.create();
      for (const [index, format] of bench.fixture.backend.capabilities.snapshot.entries()) {
        // Once encrypted will do: QEMU takes seconds for each.
        using passphrase = index === 0 ? GeneratedPassphrase.create() : undefined;
        for (let stop = 1; ; stop++) {
          const undo = new RecordingRollback(stop);
          const complete = await expectUntouched(bench, async () => {
            const copy = image.snapshot(targetOf(bench, format, passphrase), undo, bench.ctx);
            const outcome = await copy.then(
              () => true,
              () => false,
            );
            await undo.undo(bench.image(disk));
            await undo.undo(bench.image(disk));
            return outcome;
          });
          if (complete) break;
        }
      }
    },
  },
  {
    id: "IB-29",
    title: "refuses snapshot formats it does not declare as unsupported",
    async check(bench) {
      const { image } = await bench.create();
      const { snapshot } = bench.fixture.backend.capabilities;
      const refused = FORMATS.filter((format) => !snapshot.includes(format));
      await expectUntouched(bench, async () => {
        for (const format of refused) {
          const target = {
            path: `/nowhere/${randomUUID()}`,
            format,
            uuid: randomUUID(),
            operation: randomUUID(),
          };
          const undo = new RecordingRollback();
          await expectError(
            () => image.snapshot(target, undo, bench.ctx),
            "UnsupportedOperation",
            "unsupported",
          );
        }
      });
      expect(snapshot.length + refused.length).toBe(FORMATS.length);
    },
  },
];
