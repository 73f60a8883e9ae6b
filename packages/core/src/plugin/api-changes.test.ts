import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PLUGIN_API } from "./plugin.ts";

const text = readFileSync(
  join(import.meta.dirname, "../../../../docs/reference/plugin-api-changes.md"),
  "utf8",
);

test("docs/reference/plugin-api-changes.md has each version up to the current one, and the window", () => {
  const { current, age } = PLUGIN_API;
  const headings = [...text.matchAll(/^## Version (\d+)$/gm)].map(([, version]) => Number(version));
  expect(headings.toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: current }, (_, index) => index + 1),
  );
  const rows = [...text.matchAll(/^\| \d+\.x \| (\d+) \| (\d+) \|/gm)].map(([, ...cells]) =>
    cells.map(Number),
  );
  expect(rows.at(-1)).toEqual([current, age]);
  expect(age).toBeLessThan(current);
});
