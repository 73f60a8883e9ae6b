import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BackingSource } from "@luksmith/core";
import { expect } from "vitest";
import { findSecret } from "../key-manager/secret-search.ts";
import { testContext } from "../test-context.ts";
import { MIB } from "./backend-bench.ts";
import { CANARY, expectError, expectUntouched, holds, sameBytes } from "./bench-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";
import { usedOverlay } from "./overlay-steps.ts";

const overlays = (capabilities: { overlays: boolean }): boolean => capabilities.overlays;

/** A copy of a base that another test cannot see; disposal removes it. */
async function copyOf(base: BackingSource): Promise<AsyncDisposable & { readonly file: string }> {
  const directory = await mkdtemp(join(tmpdir(), "luksmith-testkit-"));
  const file = join(directory, `a, base ${randomUUID()}`);
  await copyFile(base.file, file, constants.COPYFILE_EXCL);
  return { file, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
}

/** IB-36 to IB-39: disks that stand on a base are taken off it, or put on another. */
export const OVERLAY_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-36",
    title:
      "flattens a disk: it stands alone with the same content and passphrase, nothing in clear; idempotent",
    when: overlays,
    async check(bench) {
      const { image, disk, passphrase, base, guest } = await usedOverlay(bench);
      const identity = await image.identify(bench.ctx);
      expect(await image.standsOn(bench.ctx)).toBe(base.file);
      for (let round = 0; round < 2; round++) {
        await image.flatten(bench.ctx);
        expect(await image.standsOn(bench.ctx)).toBeUndefined();
        expect(image.source().backing).toBeUndefined();
      }
      expect(await image.identify(bench.ctx)).toEqual(identity);
      await rm(base.file);
      const seen = await bench.fixture.oracle.read(image, passphrase);
      expect(sameBytes(seen, guest), "the guest's bytes").toBe(true);
      expect(holds(await bench.fixture.rawBytes(image), CANARY), "the canary is in clear").toBe(false);
      const { backing: _gone, ...alone } = disk;
      expect((await bench.image(alone).verify(bench.ctx)).ok).toBe(true);
      expect(findSecret(passphrase, [bench.commands.seen, bench.ctx.logged])).toEqual([]);
    },
  },
  {
    id: "IB-37",
    title:
      "leaves a disk on its base, with the same content, when a flatten is cancelled; then does it again",
    when: overlays,
    async check(bench) {
      const { image, disk, passphrase, base, guest } = await usedOverlay(bench);
      const { oracle } = bench.fixture;
      const late = new AbortController();
      const early = AbortSignal.abort(new Error("enough"));
      const contexts = [
        testContext({ signal: early }),
        testContext({ signal: late.signal, progress: () => late.abort(new Error("enough")) }),
      ];
      for (const ctx of contexts) {
        await expectError(() => bench.image(disk).flatten(ctx), "Cancelled", "cancelled");
        expect(await bench.image(disk).settleBase(bench.ctx)).toBe(base.file);
        expect(sameBytes(await oracle.read(image, passphrase), guest), "the guest's bytes").toBe(true);
        expect((await bench.image(disk).verify(bench.ctx)).ok).toBe(true);
      }
      expect(late.signal.aborted, "the flatten reported progress").toBe(true);
      await bench.image(disk).flatten(bench.ctx);
      expect(sameBytes(await oracle.read(image, passphrase), guest), "the guest's bytes").toBe(true);
    },
  },
  {
    id: "IB-38",
    title: "puts a disk on a file that shows the same bytes as its base, and on no other",
    when: overlays,
    async check(bench) {
      const { image, disk, passphrase, base, guest } = await usedOverlay(bench);
      await using same = await copyOf(base);
      await using other = await copyOf(base);
      const file = await open(other.file, "r+");
      await file.write(Buffer.alloc(1, "x"), 0, 1, (await file.stat()).size - 1);
      await file.close();
      const { format } = base;
      const to = await expectUntouched(bench, async () => {
        const wrong = () => image.proveBase({ file: other.file, format }, bench.ctx);
        await expectError(wrong, "DiskReplaced", "integrity");
        const missing = () => image.proveBase({ file: `${same.file}-not`, format }, bench.ctx);
        await expectError(missing, "DiskNotFound", "not-found");
        return await image.proveBase({ file: same.file, format }, bench.ctx);
      });
      await image.rebase(to, bench.ctx);
      await image.rebase(to, bench.ctx);
      expect(image.source().backing).toEqual(to);
      expect(await image.standsOn(bench.ctx)).toBe(same.file);
      await rm(base.file);
      const seen = await bench.fixture.oracle.read(image, passphrase);
      expect(sameBytes(seen, guest), "the guest's bytes").toBe(true);
      expect((await bench.image({ ...disk, backing: to }).verify(bench.ctx)).ok).toBe(true);
    },
  },
  {
    id: "IB-39",
    title: "refuses what a disk without a base, or a backend without overlays or clones, cannot do",
    async check(bench) {
      const { image } = await bench.create();
      const choice = { file: `/nowhere/${randomUUID()}`, format: "raw" } as const;
      const to = { ...choice, virtualSize: MIB, identity: {} };
      await expectUntouched(bench, async () => {
        await expectError(() => image.proveBase(choice, bench.ctx), "UnsupportedOperation", "unsupported");
        await expectError(() => image.rebase(to, bench.ctx), "UnsupportedOperation", "unsupported");
        const { overlays: files, clones = false } = bench.fixture.backend.capabilities;
        if (files || clones) return await image.flatten(bench.ctx);
        await expectError(() => image.flatten(bench.ctx), "UnsupportedOperation", "unsupported");
        await expectError(() => image.settleBase(bench.ctx), "UnsupportedOperation", "unsupported");
      });
    },
  },
];
