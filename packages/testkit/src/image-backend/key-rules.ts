import { randomUUID } from "node:crypto";
import { GeneratedPassphrase, type KeySlotMark, parseHeader } from "@luksmith/core";
import { expect } from "vitest";
import { findSecret } from "../key-manager/secret-search.ts";
import { type BackendBench, type MadeDisk, MIB } from "./backend-bench.ts";
import {
  expectError,
  expectUntouched,
  luksBytes,
  sameBytes,
  sourceImage,
  volumeKeyOf,
} from "./bench-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";
import { RecordingRollback } from "./recording-rollback.ts";

/** Bytes of a slot's key material: 4000 stripes of a 64-byte key. */
const MATERIAL = 4000 * 64;

/** A new passphrase, stored. The caller disposes it. */
async function newKey(bench: BackendBench): Promise<{ passphrase: GeneratedPassphrase; secretId: string }> {
  const passphrase = GeneratedPassphrase.create();
  const { id } = await bench.keys.create({ name: `rekeyed ${randomUUID()}`, passphrase }, bench.ctx);
  return { passphrase, secretId: id };
}

/** The disk as a host knows it once it has a new secret. */
function withSecret({ disk }: MadeDisk, secretId: string): MadeDisk["disk"] {
  return { ...disk, encryption: { format: "luks", secretId } };
}

async function materialOf(
  bench: BackendBench,
  { image }: MadeDisk,
  { keySlot }: KeySlotMark,
): Promise<Uint8Array> {
  const bytes = await luksBytes(bench, image);
  const at = (parseHeader(bytes).keySlots[keySlot]?.keyMaterialOffset ?? 0) * 512;
  return bytes.slice(at, at + MATERIAL);
}

/** Changes a disk's passphrase. The caller disposes the new one. */
async function rekeyed(bench: BackendBench, made: MadeDisk, watched: boolean): Promise<MadeDisk> {
  const { oracle } = bench.fixture;
  const next = await newKey(bench);
  const mark = await made.image.rekey(next, made.undo, bench.ctx);
  if (watched) {
    expect(await oracle.opens(made.image, made.passphrase), "both open it meanwhile").toBe(true);
    expect(await oracle.opens(made.image, next.passphrase), "both open it meanwhile").toBe(true);
  }
  const old = await materialOf(bench, made, mark);
  const disk = withSecret(made, next.secretId);
  const image = bench.image(disk);
  await image.dropKey(mark, bench.ctx);
  await image.dropKey(mark, bench.ctx);
  const after = await materialOf(bench, made, mark);
  expect(sameBytes(old, after), "the old key material is still there").toBe(false);
  if (watched) expect(await oracle.opens(image, made.passphrase), "the old one").toBe(false);
  return { ...made, disk, image, passphrase: next.passphrase };
}

/** IB-32 to IB-35: a disk gets a new passphrase, and always has one that opens it. */
export const KEY_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-32",
    title: "changes a disk's passphrase, any number of times: another program opens it with the new one only",
    async check(bench) {
      const { oracle } = bench.fixture;
      await using source = await sourceImage(4 * MIB);
      let made = await bench.create({ kind: "image", image: source });
      const volumeKey = await volumeKeyOf(bench, made, made.passphrase);
      // More often than there are key slots.
      for (let round = 1; round <= 9; round++) {
        made = await rekeyed(bench, made, round === 1);
      }
      expect((await volumeKeyOf(bench, made, made.passphrase)) === volumeKey, "the volume key").toBe(true);
      const { keySlots } = parseHeader(await luksBytes(bench, made.image));
      expect(keySlots.filter(({ active }) => active).length).toBe(1);
      const seen = await oracle.read(made.image, made.passphrase);
      expect(sameBytes(seen, source.bytes), "the guest's bytes").toBe(true);
      expect((await made.image.verify(bench.ctx)).checks.filter(({ result }) => result !== "pass")).toEqual(
        [],
      );
      made.passphrase[Symbol.dispose]();
    },
  },
  {
    id: "IB-33",
    title: "takes a new passphrase back wherever it stopped, and leaves the old one working",
    async check(bench) {
      const { oracle } = bench.fixture;
      for (let stop = 1; ; stop++) {
        const made = await bench.create();
        const { secretId, passphrase } = await newKey(bench);
        using added = passphrase;
        const undo = new RecordingRollback(stop);
        const complete = await made.image.rekey({ secretId, passphrase: added }, undo, bench.ctx).then(
          () => true,
          () => false,
        );
        for (let round = 0; round < 2; round++) await undo.undo(bench.image(made.disk));
        expect(await oracle.opens(made.image, made.passphrase), `the old one, after record ${stop}`).toBe(
          true,
        );
        expect(await oracle.opens(made.image, added), `the new one, after record ${stop}`).toBe(false);
        expect((await bench.image(made.disk).verify(bench.ctx)).ok).toBe(true);
        if (complete) break;
      }
    },
  },
  {
    id: "IB-34",
    title: "undoes a new passphrase only in the key slot that it was given",
    async check(bench) {
      const { oracle } = bench.fixture;
      const made = await bench.create();
      const first = await newKey(bench);
      const undo = new RecordingRollback();
      const mark = await made.image.rekey(first, undo, bench.ctx);
      // The slot is emptied and filled again, by another passphrase.
      await undo.undo(made.image);
      const second = await newKey(bench);
      await made.image.rekey(second, new RecordingRollback(), bench.ctx);
      await expectUntouched(bench, () => undo.undo(made.image));
      expect(await oracle.opens(made.image, second.passphrase)).toBe(true);
      // Nor does dropping: what the mark says was there is not there any more.
      const image = bench.image(withSecret(made, second.secretId));
      await expectUntouched(bench, () => image.dropKey({ ...mark, salt: "00".repeat(32) }, bench.ctx));
      for (const { passphrase } of [first, second]) passphrase[Symbol.dispose]();
    },
  },
  {
    id: "IB-35",
    title: "never leaves a disk without a stored passphrase, and has none in records or logs",
    async check(bench) {
      const plain = await bench.createPlain({ kind: "blank" });
      const made = await bench.create();
      const next = await newKey(bench);
      const foreign = await newKey(bench);
      const { secretId } = foreign;
      const undo = new RecordingRollback();
      await expectUntouched(bench, async () => {
        await expectError(() => plain.rekey(next, undo, bench.ctx), "UnsupportedOperation", "unsupported");
        // The key manager has something else under that id.
        const lost = () => made.image.rekey({ passphrase: next.passphrase, secretId }, undo, bench.ctx);
        await expectError(lost, "DiskNotProven", "integrity");
        const misled = bench.image(withSecret(made, secretId));
        await expectError(() => misled.rekey(next, undo, bench.ctx), "LuksPassphraseRefused");
      });
      expect(undo.size).toBe(0);
      const mark = await made.image.rekey(next, undo, bench.ctx);
      await expectUntouched(bench, async () => {
        // The stored passphrase is none of the disk's, or is the very one to be dropped.
        const stranger = bench.image(withSecret(made, secretId));
        await expectError(() => stranger.dropKey(mark, bench.ctx), "LuksPassphraseRefused");
        await expectError(() => made.image.dropKey(mark, bench.ctx), "DiskNotProven", "integrity");
      });
      const evidence = [undo, mark, bench.commands.seen, bench.ctx.logged];
      for (const { passphrase } of [made, next, foreign]) {
        expect(findSecret(passphrase, evidence)).toEqual([]);
      }
      for (const { passphrase } of [next, foreign]) passphrase[Symbol.dispose]();
    },
  },
];
