import { randomUUID } from "node:crypto";
import { GeneratedPassphrase, type ImageSource, type OpContext } from "@luksmith/core";
import { expect } from "vitest";
import { type BackendBench, type MadeDisk, MIB } from "./backend-bench.ts";
import { sameBytes, sourceImage } from "./bench-steps.ts";
import { withFaults } from "./fault-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";
import { usedOverlay } from "./overlay-steps.ts";
import { RecordingRollback } from "./recording-rollback.ts";

/** Makes one disk, with each command going wrong; it is the same disk each time, so each time is a retry as well. */
async function createWithFaults(
  bench: BackendBench,
  source: ImageSource,
  overrides: Partial<MadeDisk["disk"]> = {},
): Promise<void> {
  const { image: described, disk, passphrase } = await bench.describe(overrides);
  let image = described;
  const before = await bench.fixture.contents();
  let undo = new RecordingRollback();
  await withFaults(
    bench,
    async (ctx) => {
      undo = new RecordingRollback();
      image = bench.image(disk);
      await image.create({ source, passphrase }, undo, ctx);
    },
    async ({ when, error }) => {
      if (error === undefined) expect((await image.verify(bench.ctx)).ok, `${when}: the disk`).toBe(true);
      await undo.undo(bench.image(disk));
      expect(await bench.fixture.contents(), `${when}: something is left`).toEqual(before);
    },
  );
  const { backing } = image.source();
  expect((await bench.image(backing ? { ...disk, backing } : disk).verify(bench.ctx)).ok).toBe(true);
}

/** IB-43 to IB-47: whichever command fails, dies, hangs or finds no space, nothing is left and the next try works. */
export const FAULT_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-43",
    title:
      "leaves nothing when a command of a create goes wrong, says so with a typed error, and then does it",
    async check(bench) {
      await createWithFaults(
        bench,
        { kind: "filesystem", format: "ext4", label: "ephemeral0" },
        { virtualSize: BigInt(16 * MIB) },
      );
      if (process.env["LUKSMITH_FAULTS"] !== "all") return;
      await using image = await sourceImage(MIB);
      await createWithFaults(bench, { kind: "image", image });
    },
  },
  {
    id: "IB-44",
    title: "keeps a disk whole when a command of its growing goes wrong, and then grows it to the byte",
    when: ({ resize }) => resize,
    async check(bench) {
      await using source = await sourceImage(4 * MIB);
      const { image, disk, passphrase } = await bench.create({ kind: "image", image: source });
      let before = disk.virtualSize;
      let virtualSize = BigInt(5 * MIB);
      await withFaults(
        bench,
        (ctx) => image.resize(virtualSize, ctx),
        async ({ when }) => {
          const size = await image.actualSize(bench.ctx);
          expect([before, virtualSize], `${when}: the size`).toContainEqual(size);
          await image.requireOpens(bench.ctx);
          await image.resize(virtualSize, bench.ctx);
          expect(await image.actualSize(bench.ctx), `${when}: the second try`).toBe(virtualSize);
          before = virtualSize;
          virtualSize += 512n;
        },
      );
      expect(await image.actualSize(bench.ctx)).toBe(virtualSize);
      const seen = await bench.fixture.oracle.read(image, passphrase);
      expect(sameBytes(seen.subarray(0, 4 * MIB), source.bytes), "the content is as it was").toBe(true);
    },
  },
  {
    id: "IB-45",
    title: "leaves no half copy when a command of a snapshot goes wrong, and then makes it",
    when: ({ snapshot }) => snapshot.length > 0,
    async check(bench) {
      const { image, disk } = await bench.create();
      for (const [index, format] of bench.fixture.backend.capabilities.snapshot.entries()) {
        // Once encrypted will do: QEMU takes seconds for each.
        using passphrase = index === 0 ? GeneratedPassphrase.create() : undefined;
        const before = await bench.fixture.contents();
        let undo = new RecordingRollback();
        await withFaults(
          bench,
          async (ctx) => {
            undo = new RecordingRollback();
            const path = bench.fixture.snapshots?.target() ?? "";
            const target = { path, format, uuid: randomUUID(), operation: randomUUID() };
            await image.snapshot(passphrase ? { ...target, passphrase } : target, undo, ctx);
          },
          async ({ when }) => {
            await undo.undo(bench.image(disk));
            expect(await bench.fixture.contents(), `${when}: something is left`).toEqual(before);
          },
        );
        await undo.undo(bench.image(disk));
      }
      expect((await image.verify(bench.ctx)).ok).toBe(true);
    },
  },
  {
    id: "IB-46",
    title: "removes a disk at the second try when a command of the first goes wrong",
    async check(bench) {
      const before = await bench.fixture.contents();
      let made = await bench.create();
      let identity = await made.image.identify(bench.ctx);
      const remove = async (ctx: OpContext = bench.ctx) => {
        if (!identity) throw new Error("the disk is there");
        await made.image.remove(identity, ctx);
      };
      await withFaults(bench, remove, async ({ when }) => {
        await remove();
        expect(await bench.fixture.contents(), `${when}: something is left`).toEqual(before);
        made = await bench.create();
        identity = await made.image.identify(bench.ctx);
      });
      expect(await bench.fixture.contents()).toEqual(before);
    },
  },
  {
    id: "IB-47",
    title: "keeps a disk's content when a command of a flatten goes wrong, and then flattens it",
    when: ({ overlays }) => overlays,
    async check(bench) {
      const { image, disk, passphrase, guest } = await usedOverlay(bench);
      let flat = false;
      await withFaults(
        bench,
        async (ctx) => {
          if (!flat) await bench.image(disk).flatten(ctx);
        },
        async ({ error }) => {
          flat = error === undefined;
          if (flat) return;
          await bench.image(disk).settleBase(bench.ctx);
          await bench.image(disk).requireOpens(bench.ctx);
        },
      );
      expect(await image.standsOn(bench.ctx)).toBeUndefined();
      const seen = await bench.fixture.oracle.read(image, passphrase);
      expect(sameBytes(seen, guest), "the guest's bytes").toBe(true);
    },
  },
];
