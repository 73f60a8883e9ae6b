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
function perProject(): {
  readonly keys: GovernedKeys;
  readonly seen: string[];
  readonly told: unknown[];
} {
  const seen: string[] = [];
  const told: unknown[] = [];
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
  // So slow that no turn comes while a test runs: the first in 20 s, the fourth too late.
  const governed = new GovernedKeys(keys, { perSecond: 0.05, burst: 2 }, (event) => told.push(event));
  return { keys: governed, seen, told };
}

test("one project's burst keeps its own calls waiting, and nobody else's", async () => {
  const { keys, seen, told } = perProject();
  const stop = new AbortController();
  const waiting: Promise<unknown>[] = [];
  for (let i = 0; i < 6; i++) waiting.push(keys.delete({ id: "x" }, context("noisy", stop.signal)));
  await keys.delete({ id: "x" }, context("quiet"));
  await keys.delete({ id: "x" }, context("quiet"));
  expect(seen.toSorted()).toEqual(["noisy", "noisy", "quiet", "quiet"]);
  stop.abort();
  const ends = await Promise.allSettled(waiting);
  const codes = ends.map((end) =>
    end.status === "fulfilled" ? "ok" : (end.reason as { code: string }).code,
  );
  expect(codes).toEqual(["ok", "ok", "Cancelled", "Cancelled", "Cancelled", "KeyManagerUnavailable"]);
  expect(ends[5]).toMatchObject({
    reason: { retryable: true, message: expect.stringContaining("key_manager_rate") },
  });
  const wait = (began: boolean, count: number) => ({ call: "wait", began, waiting: count });
  const begun = [wait(true, 1), wait(true, 2), wait(true, 3), { call: "refused" }];
  expect(told).toEqual([...begun, wait(false, 2), wait(false, 1), wait(false, 0)]);
});
