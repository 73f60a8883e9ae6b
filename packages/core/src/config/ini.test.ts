import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLuksmithError, type AnyLuksmithError } from "../errors/luksmith-error.ts";
import { parseIni, readIni } from "./ini.ts";

/** `section.name=text@line` for each assignment. */
function read(content: string): string[] {
  return parseIni(content, "f").map((a) => `${a.section}.${a.name}=${a.text}@${a.line}`);
}

function problems(content: string): string[] {
  return readIni(content, "f").problems.map((p) => `${p.line}: ${p.message}`);
}

describe("what oslo.config accepts", () => {
  test.each([
    [
      "equals and colon, whichever comes first",
      "[a]\nx = 1\ny: 2\nz:a=b\nw=a:b",
      ["a.x=1@2", "a.y=2@3", "a.z=a=b@4", "a.w=a:b@5"],
    ],
    [
      "comments only in the first column",
      "[a]\n# c\n; c\nx = 1 # not a comment",
      ["a.x=1 # not a comment@4"],
    ],
    ["continuation lines", "[a]\nx = 1\n  2\n\t3\ny=4", ["a.x=1\n2\n3@2", "a.y=4@5"]],
    ["an indented comment, which is part of the value", "[a]\nx = 1\n  # 2", ["a.x=1\n# 2@2"]],
    ["an empty line ends a value", "[a]\nx = 1\n\ny = 2", ["a.x=1@2", "a.y=2@4"]],
    ["empty values", "[a]\nx =\ny:", ["a.x=@2", "a.y=@3"]],
    [
      "quotes",
      `[a]\nx = "a b "\ny = 'c'\nz = "d'\nv = "\nw = "1\n  2"`,
      ["a.x=a b @2", "a.y=c@3", `a.z="d'@4`, "a.v=@5", `a.w="1\n2"@6`],
    ],
    ["a value that starts on the next line", "[a]\nx =\n  1,\n  2", ["a.x=\n1,\n2@2"]],
    ["every occurrence of a name", "[a]\nx = 1\n[b]\n[a]\nx = 2", ["a.x=1@2", "a.x=2@5"]],
    [
      "sections in any case, but DEFAULT",
      "[LibVirt]\nx=1\n[DEFAULT]\nx=2\n[default]\nx=3",
      ["libvirt.x=1@2", "DEFAULT.x=2@4", "default.x=3@6"],
    ],
    ["names as they are written", "[a]\nX=1\nx-y=2", ["a.X=1@2", "a.x-y=2@3"]],
    [
      "CRLF, a byte order mark, no newline at the end",
      "\uFEFF[a]\r\nx = 1\r\n\r\ny = 2",
      ["a.x=1@2", "a.y=2@4"],
    ],
    ["names that objects have", "[__proto__]\nconstructor = 1", ["__proto__.constructor=1@2"]],
    ["nothing", "", []],
  ])("%s", (_, content, expected) => {
    expect(read(content)).toEqual(expected);
  });
});

describe("what it refuses", () => {
  test.each([
    ["no section", "x = 1", '1: "x" is set before any [section] is opened'],
    ["no assignment", "[a]\nhunter2", '2: expected "name = value"; there is no "=" or ":"'],
    ["no name", "[a]\n= 1", "2: there is no name before the value"],
    ["an open section header", "[a]\n[b\n", '2: a section header must end with "]" and nothing after it'],
    [
      "a comment after a section header",
      "[a] ; c",
      '1: a section header must end with "]" and nothing after it',
    ],
    ["an empty section header", "[]", "1: the section has no name"],
    [
      "an orphaned continuation",
      "[a]\nx = 1\n\n  2",
      "4: an indented line continues a value, but there is none above it",
    ],
    [
      "a continuation after a comment",
      "[a]\nx = 1\n# c\n  2",
      "4: an indented line continues a value, but there is none above it",
    ],
    ["binary", "[a]\nx = \0", "2: the line contains a NUL character; is this a text file?"],
  ])("%s", (_, content, expected) => {
    expect(problems(content)).toEqual([expected]);
  });

  test("all mistakes are reported, each once", () => {
    const content = "[a]\nbad\n  its continuation\nx = 1\n[b\n= 2\n";
    expect(problems(content).map((p) => p.slice(0, 2))).toEqual(["2:", "5:", "6:"]);
  });

  test("the error names file and line, and never the line's text, which may be a password", () => {
    const error = thrown(() => parseIni("[a]\nhunter2", "/etc/x.conf"));
    expect(error.code).toBe("ConfigInvalid");
    expect(error.message).toMatch(/^\/etc\/x\.conf:2: /);
    expect(JSON.stringify([error.message, error.details])).not.toContain("hunter2");
  });
});

describe("properties", () => {
  const line = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom("[", "]", "=", ":", "#", " ", "\t", '"', "a", "\r", "\0", "$") }),
  );
  const content = fc.array(line).map((lines) => lines.join("\n"));

  test("any text is read, or refused with our own error", () => {
    fc.assert(
      fc.property(content, (text) => {
        const { assignments, problems: wrong } = readIni(text, "f");
        const code = wrong.length === 0 ? undefined : thrown(() => parseIni(text, "f")).code;
        expect([undefined, "ConfigInvalid"]).toContain(code);
        expect(assignments.every(({ section, name }) => section !== "" && name !== "")).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("lines are counted as an editor counts them", () => {
    fc.assert(
      fc.property(content, (text) => {
        const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
        for (const { name, line: at } of readIni(text, "f").assignments) {
          expect(lines[at - 1]).toContain(name);
        }
      }),
    );
  });
});

function thrown(act: () => unknown): AnyLuksmithError {
  try {
    act();
  } catch (error) {
    if (isLuksmithError(error)) return error;
    throw error;
  }
  throw new Error("expected an error");
}
