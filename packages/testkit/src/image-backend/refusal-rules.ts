import { expect } from "vitest";
import { testContext } from "../test-context.ts";
import { MIB } from "./backend-bench.ts";
import { expectError, expectUntouched, sourceImage } from "./bench-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";
import { RecordingRollback } from "./recording-rollback.ts";

/** Every format that a request can name. */
const FORMATS = ["plain", "luks", "luksv2"] as const;

/** IB-10 to IB-16: what cannot be done is refused before anything changes, and what was begun is taken back. */
export const REFUSAL_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-10",
    title: "refuses encryption formats it does not declare as unsupported, before anything changes",
    async check(bench) {
      const { backend } = bench.fixture;
      const others = FORMATS.filter((format) => !backend.capabilities.encryption.includes(format));
      expect(others.length).toBeGreaterThan(0);
      for (const format of others) {
        const { disk, passphrase, undo } = await bench.describe();
        const image = bench.image({
          ...disk,
          encryption: { format, secretId: disk.encryption?.secretId ?? null },
        });
        await expectUntouched(bench, async () => {
          const create = () => image.create({ source: { kind: "blank" }, passphrase }, undo, bench.ctx);
          await expectError(create, "UnsupportedEncryptionFormat", "unsupported");
        });
        expect(undo.size).toBe(0);
      }
      expect(bench.commands.seen).toEqual([]);
    },
  },
  {
    id: "IB-11",
    title: "refuses a name that is taken, and leaves what is there as it is",
    async check(bench) {
      const { image, passphrase, undo } = await bench.describe();
      await bench.fixture.replace(image);
      await expectUntouched(bench, async () => {
        const create = () => image.create({ source: { kind: "blank" }, passphrase }, undo, bench.ctx);
        await expectError(create, "DiskExists", "conflict");
        await undo.undo(image);
      });
    },
  },
  {
    id: "IB-12",
    title: "never makes an encrypted disk without a passphrase",
    async check(bench) {
      const { image, undo } = await bench.describe();
      await expectUntouched(bench, async () => {
        await expectError(
          () => image.create({ source: { kind: "blank" } }, undo, bench.ctx),
          "InternalError",
        );
        await undo.undo(image);
      });
    },
  },
  {
    id: "IB-13",
    title: "leaves nothing when it stops after any of its undo records",
    async check(bench) {
      await using source = await sourceImage(MIB);
      const before = await bench.fixture.contents();
      for (let stop = 1; ; stop++) {
        const { image, passphrase } = await bench.describe();
        const undo = new RecordingRollback(stop);
        const create = image.create(
          { source: { kind: "image", image: source }, passphrase },
          undo,
          bench.ctx,
        );
        const error = await create.then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        await undo.undo(image);
        expect(await bench.fixture.contents(), `after record ${stop}`).toEqual(before);
        if (error === undefined) break;
      }
    },
  },
  {
    id: "IB-14",
    title: "undoes a disk that was made, any number of times, from its records alone",
    async check(bench) {
      const before = await bench.fixture.contents();
      const { disk, undo } = await bench.create();
      expect(undo.size).toBeGreaterThan(0);
      expect(await bench.fixture.contents()).not.toEqual(before);
      for (let round = 0; round < 3; round++) {
        await undo.undo(bench.image(disk));
        expect(await bench.fixture.contents()).toEqual(before);
      }
    },
  },
  {
    id: "IB-15",
    title: "does not undo what somebody else has put in the disk's place",
    async check(bench) {
      const { disk, image, undo } = await bench.create();
      await bench.fixture.replace(image);
      await expectUntouched(bench, () => undo.undo(bench.image(disk)));
    },
  },
  {
    id: "IB-16",
    title: "stops when it is cancelled, before and during the fill, and leaves nothing",
    async check(bench) {
      await using source = await sourceImage(16 * MIB);
      const before = await bench.fixture.contents();
      const early = AbortSignal.abort(new Error("enough"));
      const late = new AbortController();
      const contexts = [
        testContext({ signal: early }),
        testContext({ signal: late.signal, progress: () => late.abort(new Error("enough")) }),
      ];
      for (const ctx of contexts) {
        const virtualSize = BigInt(16 * MIB);
        const { image, passphrase, undo } = await bench.describe({ virtualSize });
        const create = () =>
          image.create({ source: { kind: "image", image: source }, passphrase }, undo, ctx);
        await expectError(create, "Cancelled", "cancelled");
        await undo.undo(image);
        expect(await bench.fixture.contents()).toEqual(before);
      }
      expect(late.signal.aborted, "the fill reported progress").toBe(true);
    },
  },
];
