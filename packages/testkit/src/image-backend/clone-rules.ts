import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { testContext } from "../test-context.ts";
import { MIB } from "./backend-bench.ts";
import { CANARY, expectError, expectUntouched, holds, sameBytes, sourceImage } from "./bench-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";

const clones = (capabilities: { readonly clones?: boolean }): boolean => capabilities.clones === true;

/** IB-54 and IB-55: disks that are clones of images in their own storage. */
export const CLONE_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-54",
    title:
      "clones plain disks of images only, and makes them stand alone: same content, another time nothing",
    when: clones,
    async check(bench) {
      const { oracle, backend } = bench.fixture;
      await using image = await sourceImage(3 * MIB);
      const disk = await bench.createPlain({ kind: "image", image });
      const guest = Buffer.concat([image.bytes, Buffer.alloc(MIB)]);
      expect(sameBytes(await oracle.read(disk, undefined), guest), "the guest's bytes").toBe(true);
      expect(await disk.standsOn(bench.ctx), "what it is a clone of").toBeDefined();
      const early = testContext({ signal: AbortSignal.abort(new Error("enough")) });
      await expectUntouched(bench, () => expectError(() => disk.flatten(early), "Cancelled", "cancelled"));
      const [base] = (await backend.bases?.list(bench.ctx)) ?? [];
      if (!base) throw new Error("a backend that declares clones lists what they stand on");
      expect(base.usedBy).toEqual([disk.path]);
      expect(await backend.bases?.remove(base, bench.ctx), "a base with a clone is removed").toBe(false);
      for (let round = 0; round < 2; round++) {
        await disk.flatten(bench.ctx);
        expect(await disk.standsOn(bench.ctx)).toBeUndefined();
      }
      expect(await backend.bases?.remove(base, bench.ctx)).toBe(true);
      expect(await backend.bases?.list(bench.ctx)).toEqual([]);
      expect(sameBytes(await oracle.read(disk, undefined), guest), "the guest's bytes").toBe(true);
    },
  },
  {
    id: "IB-55",
    title:
      "never makes an encrypted disk a clone, beside one that is: it would have somebody else's volume key",
    when: clones,
    async check(bench) {
      await using image = await sourceImage(3 * MIB);
      const source = { kind: "image", image } as const;
      await bench.createPlain(source);
      const made = await bench.create(source, { instanceUuid: randomUUID() });
      expect(await made.image.standsOn(bench.ctx)).toBeUndefined();
      expect(holds(await bench.fixture.rawBytes(made.image), CANARY), "the canary is in clear").toBe(false);
    },
  },
];
