import { describe, expect, test } from "vitest";
import { median, percentile, summarize } from "./statistics.ts";

describe("statistics", () => {
  test("the median of an even count lies between the two in the middle", () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test("a summary has median, bounds and count", () => {
    expect(summarize([5, 1, 9])).toEqual({ median: 5, min: 1, max: 9, n: 3 });
  });

  test("numbers are sorted as numbers", () => {
    expect(summarize([10, 9, 100])).toEqual({ median: 10, min: 9, max: 100, n: 3 });
  });

  test("percentiles are interpolated", () => {
    expect(percentile([1, 2, 3, 4, 5], 0.95)).toBeCloseTo(4.8);
  });

  test("nothing has no median", () => {
    expect(() => median([])).toThrow(RangeError);
  });
});
