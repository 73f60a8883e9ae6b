import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { EXIT_CODES } from "../src/cli/exit-codes.ts";
import { buildProgram } from "../src/cli/program.ts";
import { commandNodes } from "../src/completion/command-nodes.ts";

const text = readFileSync(join(import.meta.dirname, "../../../docs/reference/cli.md"), "utf8");
const nodes = commandNodes(buildProgram(async () => {}, { out: "", err: "" }));
const GLOBAL = new Set(["--config-file", "--os-cloud", "--os-token-stdin", "--json", "--help"]);
const leaves = nodes.filter(({ commands }) => commands.length === 0);

describe("docs/reference/cli.md", () => {
  test.each(leaves.map((node) => [node.path.join(" "), node] as const))(
    "has %s with its options",
    (name, node) => {
      const section = text.split(`\n## ${name}\n`)[1]?.split("\n## ")[0];
      expect(section).toContain(`luksmith ${name}`);
      const own = node.options.filter(({ word }) => !GLOBAL.has(word));
      for (const { word } of own) expect(section).toContain(word);
      expect(text).toContain(`| [\`${name}\`](#${node.path.join("-")}) |`);
    },
  );

  test("has the options that every command takes", () => {
    const before = text.split("\n## ")[0];
    for (const word of GLOBAL) expect(before).toContain(`\`${word}`);
  });

  test("has no other command", () => {
    const listed = [...text.matchAll(/^\| \[`([^`]+)`\]/gm)].map(([, name]) => name);
    expect(listed.sort()).toEqual(leaves.map(({ path }) => path.join(" ")).sort());
  });

  test("has the exit codes of --help", () => {
    const help = [...EXIT_CODES.matchAll(/^ {2}(\d+)/gm)].map(([, code]) => code);
    expect([...text.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => code)).toEqual(help);
  });
});
