import { describe, expect, test } from "vitest";
import { compare, seriesOf } from "./comparison.ts";
import { jsonRow, table } from "./report.ts";
import { requireBelow, requireRatio, verdictLine } from "./requirement.ts";

const row = compare({
  work: "create",
  peer: "cryptsetup luksFormat (default)",
  unit: "ms",
  better: "lower",
  ours: seriesOf([8, 10, 12]),
  theirs: seriesOf([4000, 5000, 6000]),
});

describe("the report", () => {
  test("a row of JSON has the promised keys and the medians", () => {
    expect(jsonRow(row)).toEqual({
      work: "create",
      peer: "cryptsetup luksFormat (default)",
      ours: 10,
      theirs: 5000,
      unit: "ms",
      ratio: 500,
    });
  });

  test("the table shows medians, ratio, minimum and count in aligned columns", () => {
    expect(table([row])).toBe(
      [
        "work    peer                             unit  ours  theirs  ratio  ours min  theirs min  n",
        "create  cryptsetup luksFormat (default)  ms    10.0    5000   500x      8.00        4000  3",
      ].join("\n"),
    );
  });

  test("a requirement is met from its very factor on", () => {
    expect(requireRatio(row, 500, "fast")).toMatchObject({ passed: true });
    expect(requireRatio(row, 501, "fast")).toMatchObject({ passed: false });
  });

  test("a limit must not be reached", () => {
    expect(verdictLine(requireBelow(19.9, 20, "ms", "quick"))).toBe("PASS  quick: 19.9 ms");
    expect(verdictLine(requireBelow(20, 20, "ms", "quick"))).toBe("FAIL  quick: 20.0 ms");
  });
});
