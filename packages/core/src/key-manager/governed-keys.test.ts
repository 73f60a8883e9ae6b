import { expect, test } from "vitest";
import type { OpContext } from "../image/op-context.ts";
import { silentLogger } from "../log/logger.ts";
import { GovernedKeys } from "./governed-keys.ts";
import type { KeyManager } from "./key-manager.ts";
import { TokenBucket } from "./token-bucket.ts";

const context = (requestId: string, signal = new AbortController().signal): OpContext => ({
  requestId,
  signal,
  log: silentLogger,
});

test("a bucket lets a burst through, then so many a second, in order, and fills up again", () => {
  let now = 0;
  const bucket = new TokenBucket(10, 3, () => now);
  expect([bucket.take(), bucket.take(), bucket.take()]).toEqual([0, 0, 0]);
  expect([bucket.take(), bucket.take()]).toEqual([100, 200]);
  expect(bucket.rested).toBe(false);
  now = 150;
  expect(bucket.take()).toBeCloseTo(150);
  bucket.giveBack();
  expect(bucket.take()).toBeCloseTo(150);
  now = 10_000;
  expect(bucket.rested).toBe(true);
  expect([bucket.take(), bucket.take(), bucket.take()]).toEqual([0, 0, 0]);
  expect(bucket.take()).toBe(100);
});

/** Its project is the request's id. */
function perProject(): { readonly keys: GovernedKeys; readonly seen: string[] } {
  const seen: string[] = [];
  const keys: KeyManager = {
    name: "keys",
    create: async () => ({ id: "new" }),
    get: async (_, ctx) => {
      seen.push(ctx.requestId);
      throw new Error("gotten");
    },
    delete: async (_, ctx) => void seen.push(ctx.requestId),
    scope: async (ctx) => ctx.requestId,
    caller: async (ctx) => ({ userId: "u", projectId: ctx.requestId }),
  };
  // So slow that nobody's second turn comes while a test runs.
  return { keys: new GovernedKeys(keys, { perSecond: 0.001, burst: 2 }), seen };
}

test("one project's burst keeps its own calls waiting, and nobody else's", async () => {
  const { keys, seen } = perProject();
  const stop = new AbortController();
  const waiting: Promise<unknown>[] = [];
  for (let i = 0; i < 5; i++) waiting.push(keys.delete({ id: "x" }, context("noisy", stop.signal)));
  await keys.delete({ id: "x" }, context("quiet"));
  await keys.delete({ id: "x" }, context("quiet"));
  expect(seen.toSorted()).toEqual(["noisy", "noisy", "quiet", "quiet"]);
  stop.abort();
  const ends = await Promise.allSettled(waiting);
  expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected", "rejected"]);
  expect(ends[4]).toMatchObject({ reason: { code: "Cancelled" } });
});
