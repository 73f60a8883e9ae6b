import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { complete } from "./ask.ts";

function terminal(answers: string): { input: PassThrough; output: PassThrough } {
  const input = new PassThrough();
  input.end(answers);
  return { input, output: new PassThrough() };
}

describe("complete", () => {
  test("asks nothing when nothing is missing", async () => {
    const given = { folder: "tape", kind: "backend", licence: "MIT" };
    expect(await complete(given, undefined)).toEqual(given);
  });

  test.each(["b", "back", "backend"])("understands %j", async (answer) => {
    const console = terminal(`tape\n${answer}\n`);
    expect(await complete({}, console)).toEqual({ folder: "tape", kind: "backend" });
    console.output.end();
    expect(await text(console.output)).toContain("Folder: ");
  });

  test("asks only for what is missing", async () => {
    expect(await complete({ folder: "tape" }, terminal("k\n"))).toEqual({
      folder: "tape",
      kind: "key-manager",
    });
  });

  test("ends when the input does", async () => {
    await expect(complete({}, terminal(""))).rejects.toThrow("nothing was made");
    await expect(complete({}, terminal("tape\n"))).rejects.toThrow("nothing was made");
  });

  test("says what is missing where nobody can be asked", async () => {
    await expect(complete({ folder: "tape" }, undefined)).rejects.toThrow("--kind backend|key-manager");
    await expect(complete({ kind: "backend" }, undefined)).rejects.toThrow("say the folder");
  });
});
