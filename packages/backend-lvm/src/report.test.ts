import { describe, expect, test } from "vitest";
import { countOf, field, fractionOf, parseReport } from "./report.ts";

const report = (kind: string, rows: unknown): string => JSON.stringify({ report: [{ [kind]: rows }] });

describe("parseReport", () => {
  test("gives the rows, also none, and those of several parts", () => {
    const row = { lv_name: "a", lv_size: "4194304" };
    expect(parseReport(report("lv", [row]), "lv")).toEqual([row]);
    expect(parseReport(report("lv", []), "lv")).toEqual([]);
    expect(parseReport(JSON.stringify({ report: [{ lv: [row] }, { lv: [row] }] }), "lv")).toEqual([row, row]);
  });

  test.each([
    ["nothing", ""],
    ["a table", "  a vg -wi-a----- 4.00m"],
    ["another report", report("vg", [])],
    ["values that are no text", report("lv", [{ lv_size: 7 }])],
    ["no report", "{}"],
    ["null", "null"],
    ["a cut one", report("lv", [{}]).slice(0, -2)],
  ])("refuses %s", (_what, text) => {
    expect(() => parseReport(text, "lv")).toThrow(expect.objectContaining({ code: "CommandFailed" }));
  });
});

describe("fields", () => {
  const row = { lv_name: "pool", size: "4194304", percent: "97.53", unknown: "", odd: "1.5m" };

  test("are read to the byte", () => {
    expect(countOf(row, "size")).toBe(4_194_304n);
    expect(countOf({ size: "9007199254740993" }, "size")).toBe(9_007_199_254_740_993n);
    expect(fractionOf(row, "percent")).toBeCloseTo(0.9753);
  });

  test("that are not there, or no numbers, are refused", () => {
    for (const act of [
      () => field(row, "absent"),
      () => countOf(row, "odd"),
      () => countOf(row, "unknown"),
      () => fractionOf(row, "unknown"),
      () => fractionOf({ percent: "101" }, "percent"),
    ]) {
      expect(act).toThrow(expect.objectContaining({ code: "CommandFailed" }));
    }
  });
});
