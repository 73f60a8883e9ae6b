import { isAbsolute } from "node:path";
import type { Option, OptionValue } from "./option.ts";
import { quoteValue } from "./problem.ts";

/** A value, or why the text is none. */
export type Converted = { readonly value: OptionValue } | { readonly problem: string };

const WORDS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["1", true],
  ["on", true],
  ["yes", true],
  ["false", false],
  ["0", false],
  ["off", false],
  ["no", false],
]);

/**
 * Reads a value as oslo.config does. An empty number stands for the default: the value is then `undefined`.
 * @param written what the file says, for the message: a reference may stand for another option's password
 */
export function convert(option: Option, text: string, written = text): Converted {
  const value = read(option, text);
  if (value !== INVALID) return { value };
  const given = `[${option.section}] ${option.name} = ${quoteValue(written)}`;
  const replaced = written === text ? "" : " once its references are replaced";
  return { problem: `${given}: must be ${allowed(option)}${replaced}` };
}

const INVALID = Symbol("invalid");

function read(option: Option, text: string): OptionValue | typeof INVALID {
  switch (option.type) {
    case "bool":
      return WORDS.get(text.toLowerCase()) ?? INVALID;
    case "int":
      return readInt(text, option.min, option.max);
    case "list":
      return text
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "");
    case "path":
      return isPath(text) || (text === "" && option.default === "") ? text : INVALID;
    case "choice":
      return option.choices.includes(text) ? text : INVALID;
    case "string":
    default:
      return text;
  }
}

/** Python's spelling of whole numbers: `+5` and `1_000` are two. */
function readInt(
  text: string,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number | undefined | typeof INVALID {
  const digits = text.trim();
  if (digits === "") return undefined;
  if (!/^[+-]?\d+(_\d+)*$/.test(digits)) return INVALID;
  const value = Number(digits.replaceAll("_", ""));
  return value >= min && value <= max ? value : INVALID;
}

function isPath(text: string): boolean {
  return isAbsolute(text) && !text.includes("\n");
}

function allowed(option: Option): string {
  switch (option.type) {
    case "bool":
      return "true or false (or yes, no, on, off, 1, 0)";
    case "int":
      return option.max === undefined
        ? `a whole number from ${option.min}`
        : `a whole number from ${option.min} to ${option.max}`;
    case "path":
      return "an absolute path";
    case "choice":
      return `one of ${option.choices.join(", ")}`;
    case "list":
    case "string":
    default:
      return "text";
  }
}
