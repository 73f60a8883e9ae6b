import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CATEGORIES, ERROR_CODES, type ErrorCategory } from "@luksmith/core/host";
import { LUKS_ERROR_CODES } from "@luksmith/luks";
import { describe, expect, test } from "vitest";

const text = readFileSync(join(import.meta.dirname, "../../../docs/reference/errors.md"), "utf8");

/** The cells of the table below a heading, without its two first lines. */
function rowsBelow(heading: string): readonly (readonly string[])[] {
  const section = text.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe("docs/reference/errors.md", () => {
  const codes: Readonly<Record<string, ErrorCategory>> = { ...ERROR_CODES, ...LUKS_ERROR_CODES };
  const rows = rowsBelow("Codes");

  test("has every code of core and luks with its category and exit code, and no other, in their order", () => {
    const documented = rows.map(([code, category, exitCode]) => [code, category, exitCode]);
    const expected = Object.entries(codes).map(([code, category]) => {
      return [`\`${code}\``, `\`${category}\``, String(CATEGORIES[category].exitCode)];
    });
    expect(documented).toEqual(expected);
  });

  test("says of each what it means and what to do", () => {
    for (const row of rows) {
      expect(row).toHaveLength(5);
      for (const cell of row.slice(3)) expect(cell).toMatch(/^[A-Z`].*\.$/);
    }
  });

  test("has every category with its exit code", () => {
    const documented = rowsBelow("Categories").flatMap(([names = "", exitCode]) =>
      names.split(", ").map((name) => [name.replaceAll("`", ""), Number(exitCode)]),
    );
    const expected = Object.entries(CATEGORIES).map(([name, { exitCode }]) => [name, exitCode]);
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(expected));
  });
});
