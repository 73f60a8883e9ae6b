import { describe, expect, test } from "vitest";
import { jsonErrorPosition } from "../src/input/json-error-position.ts";
import { parseSize } from "../src/input/parse-size.ts";

describe("parseSize", () => {
  test.each([
    ["512", 512n],
    ["1K", 1024n],
    ["1KiB", 1024n],
    ["16M", 16n << 20n],
    ["20GiB", 20n << 30n],
    ["20g", 20n << 30n],
    ["3TiB", 3n << 40n],
    ["9007199254740992", 1n << 53n],
  ])("%s", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each([
    "",
    "0",
    "0G",
    "1",
    "513",
    "-512",
    "1.5G",
    "1 G",
    "1KB",
    "1B",
    "1e9",
    "0x200",
    "G",
    "1GiBs",
    "٣",
  ])("refuses %j", (text) => {
    expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: "UsageError" }));
  });
});

describe("jsonErrorPosition", () => {
  test.each([
    ["", 0],
    ["nil", 0],
    ['{"a": 1,}', 8],
    ['{"a" 1}', 5],
    ['{"a": 1 "b": 2}', 8],
    ["[1, 2", 5],
    ["[1, 2}", 5],
    ["[01]", 2],
    ['["\u0001"]', 1],
    ['["\\x"]', 1],
    ['{"a": "b}', 6],
    ["{1: 2}", 1],
    ["[,]", 1],
    ["{} x", 3],
    ['"a" "b"', 4],
    ["[1,]", 3],
  ])("%j", (text, offset) => {
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
    expect(jsonErrorPosition(text).offset).toBe(offset);
  });

  test("counts lines and columns from 1", () => {
    expect(jsonErrorPosition('{\n  "a": x')).toEqual({ offset: 9, line: 2, column: 8 });
  });
});
