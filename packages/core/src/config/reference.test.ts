import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { convert } from "./convert.ts";
import type { Option } from "./option.ts";
import { OPTIONS, PASS_THROUGH_SECTIONS } from "./options.ts";

const document = readFileSync(new URL("../../../../docs/reference/config.md", import.meta.url), "utf8");
const rows = document.split("\n").filter((line) => line.startsWith("| `"));

/** The row that `docs/reference/config.md` must have for an option. */
function row(option: Option): string {
  const { section, name, help, deprecated } = option;
  const cells = [
    `\`${section}\``,
    `\`${name}\``,
    typeOf(option),
    defaultOf(option),
    help,
    deprecationOf(deprecated),
  ];
  return `| ${cells.join(" | ")} |`.replaceAll("|  |", "| |");
}

function typeOf(option: Option): string {
  if (option.type === "choice") return option.choices.map((choice) => `\`${choice}\``).join(", ");
  if (option.type !== "int") return option.type;
  return option.max === undefined ? `int, ${option.min} or more` : `int, ${option.min} to ${option.max}`;
}

function defaultOf(option: Option): string {
  if (option.default === undefined) return "unset";
  const text = option.type === "list" ? option.default.join(", ") : String(option.default);
  return text === "" ? "empty" : `\`${text}\``;
}

function deprecationOf(deprecated: Option["deprecated"]): string {
  return deprecated === undefined ? "" : `since ${deprecated.since}; ${deprecated.replacement}`;
}

describe("docs/reference/config.md", () => {
  test("has exactly the options of the table, with their types, defaults and meaning", () => {
    expect(rows).toEqual(OPTIONS.map(row));
  });

  test("names every section that is kept for plugins", () => {
    for (const section of PASS_THROUGH_SECTIONS) expect(document).toContain(`\`[${section}]\``);
  });
});

test("no option is in the table twice, and defaults are allowed values", () => {
  const keys = OPTIONS.map(({ section, name }) => `${section}.${name}`);
  expect(new Set(keys).size).toBe(keys.length);
  for (const option of OPTIONS.filter(({ type }) => type === "int" || type === "choice")) {
    const value = option.default ?? allowedText(option);
    expect(convert(option, String(value))).toEqual({ value });
  }
});

/** Something allowed, for an option without a default. */
function allowedText(option: Option): string {
  return option.type === "choice" ? (option.choices[0] ?? "") : "";
}
