import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheFixture, ctx, MIB } from "./fixtures/cache-fixture.ts";
import { type CachePolicy, pruneCache } from "./prune-cache.ts";

let fixture: CacheFixture;
beforeEach(async () => {
  fixture = await CacheFixture.make();
});
afterEach(() => fixture[Symbol.asyncDispose]());

const policy: CachePolicy = { removeUnused: true, minimumAgeSeconds: 0, dryRun: false };
const nobody = async () => new Map<string, readonly string[]>();

describe("pruning beside creates", () => {
  it("keeps a base that somebody took, until it is given back", async () => {
    await using source = await fixture.image("raw", randomBytes(MIB));
    {
      using base = await fixture.cache.image(source, { raw: true }, ctx);
      const kept = await pruneCache(fixture.directory, nobody, policy, ctx);
      expect(kept.bases).toMatchObject([{ removed: false, keptBecause: "being taken" }]);
      expect(existsSync(base.path)).toBe(true);
    }
    const { bases } = await pruneCache(fixture.directory, nobody, policy, ctx);
    expect(bases).toMatchObject([{ removed: true, keptBecause: undefined }]);
    expect(readdirSync(fixture.directory)).toEqual([]);
  });

  it("looks for users again when nobody can take the base any more", async () => {
    await using source = await fixture.image("raw", randomBytes(MIB));
    const base = await fixture.cache.image(source, { raw: true }, ctx);
    base[Symbol.dispose]();
    let looked = 0;
    const users = async () => new Map(looked++ === 0 ? [] : [[base.path, ["/an/overlay"]]]);
    const { bases } = await pruneCache(fixture.directory, users, policy, ctx);
    expect(bases).toMatchObject([{ removed: false, keptBecause: "in use" }]);
    expect(existsSync(base.path)).toBe(true);
  });

  it("never takes a base from under a create, in hundreds of races", async () => {
    await using source = await fixture.image("raw", randomBytes(4096), 4096);
    const creates = new AbortController();
    const pruned = { times: 0 };
    const moment = () => sleep(Math.random() * 3);
    const pruning = (async () => {
      while (!creates.signal.aborted) {
        const { bases } = await pruneCache(fixture.directory, nobody, policy, ctx);
        pruned.times += bases.filter((each) => each.removed).length;
        await moment();
      }
    })();
    for (let round = 0; round < 150 || pruned.times <= 5; round++) {
      {
        using base = await fixture.cache.image(source, { raw: true }, ctx);
        await moment();
        expect(existsSync(base.path), `round ${round}`).toBe(true);
      }
      await moment();
    }
    creates.abort();
    await pruning;
  });
});
