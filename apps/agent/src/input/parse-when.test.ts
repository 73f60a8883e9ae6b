import { describe, expect, test } from "vitest";
import { parseWhen } from "./parse-when.ts";

const NOW = new Date("2026-11-28T12:00:00Z");

describe("a moment in the past", () => {
  test.each([
    ["2026-01-01", "2026-01-01T00:00:00.000Z"],
    ["2024-02-29", "2024-02-29T00:00:00.000Z"],
    ["2026-11-28T13:30:00+02:00", "2026-11-28T11:30:00.000Z"],
    ["2026-11-28T11:30Z", "2026-11-28T11:30:00.000Z"],
    ["90d", "2026-08-30T12:00:00.000Z"],
    ["2w", "2026-11-14T12:00:00.000Z"],
    ["36h", "2026-11-27T00:00:00.000Z"],
    ["0m", "2026-11-28T12:00:00.000Z"],
  ])("%s is %s", (text, iso) => expect(parseWhen(text, NOW).toISOString()).toBe(iso));

  test.each([
    "",
    "yesterday",
    "90",
    "90y",
    "-1d",
    "2026-13-01",
    "2026-02-30",
    "2026-01-01T12:00:00",
    "2027-01-01",
  ])("%s is refused", (text) => {
    expect(() => parseWhen(text, NOW)).toThrow(expect.objectContaining({ code: "UsageError" }) as Error);
  });
});
