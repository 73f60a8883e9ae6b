import { describe, expect, it } from "vitest";
import { backOff, retryAfter } from "./repeat.ts";

const failure = { final: false, retryAfterMs: undefined } as Parameters<ReturnType<typeof backOff>>[0];

describe("Retry-After", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  it.each([
    ["7", 7000],
    [" 0 ", 0],
    ["Thu, 01 Jan 2026 00:00:05 GMT", 5000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["soon", undefined],
    [undefined, undefined],
  ])("%s is %s ms", (header, ms) => {
    expect(retryAfter(header, now)).toBe(ms);
  });
});

describe("the waits", () => {
  it("stay within the longest, differ, and grow", () => {
    const first: number[] = [];
    const later: number[] = [];
    for (let run = 0; run < 200; run += 1) {
      const delay = backOff({ attempts: 9, baseMs: 100, maxMs: 2000 });
      first.push(delay(failure));
      const rest = Array.from({ length: 6 }, () => delay(failure));
      later.push(rest.at(-1) ?? 0);
      for (const ms of rest) expect(ms).toBeLessThanOrEqual(2000);
    }
    const mean = (list: number[]) => list.reduce((sum, ms) => sum + ms, 0) / list.length;
    expect(new Set(first).size).toBeGreaterThan(100);
    expect(mean(later)).toBeGreaterThan(2 * mean(first));
  });

  it("are never shorter than what the service asks for, up to the longest", () => {
    const delay = backOff({ attempts: 9, baseMs: 1, maxMs: 500 });
    expect(delay({ ...failure, retryAfterMs: 400 })).toBeGreaterThanOrEqual(400);
    expect(delay({ ...failure, retryAfterMs: 10_000 })).toBe(500);
  });
});
