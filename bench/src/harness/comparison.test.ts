import { describe, expect, test } from "vitest";
import { compare, compareWithLimit, seriesOf } from "./comparison.ts";

const row = { work: "w", peer: "p", unit: "ms" } as const;

describe("compare", () => {
  test("for times the ratio is theirs over ours", () => {
    const { ratio } = compare({ ...row, better: "lower", ours: seriesOf([2]), theirs: seriesOf([10]) });
    expect(ratio).toBe(5);
  });

  test("for rates the ratio is ours over theirs", () => {
    const { ratio } = compare({ ...row, better: "higher", ours: seriesOf([10]), theirs: seriesOf([2]) });
    expect(ratio).toBe(5);
  });

  test("the ratio is the median of the rounds' ratios, not the ratio of the medians", () => {
    const ours = seriesOf([1, 10, 100]);
    const theirs = seriesOf([2, 100, 100]);
    expect(compare({ ...row, better: "lower", ours, theirs }).ratio).toBe(2);
  });

  test("only rounds in which both took part make the ratio", () => {
    const ours = seriesOf([1, 50, 1, 50]);
    const theirs = new Map([
      [0, 4],
      [2, 4],
    ]);
    const compared = compare({ ...row, better: "lower", ours, theirs });
    expect(compared).toMatchObject({ ratio: 4, ours: { n: 4 }, theirs: { n: 2 } });
  });

  test("a limit is the same in every round", () => {
    const compared = compareWithLimit({ ...row, better: "lower", ours: seriesOf([5, 10]), limit: 20 });
    expect(compared).toMatchObject({ peer: "p", ratio: 3, theirs: { median: 20, n: 2 } });
  });
});
