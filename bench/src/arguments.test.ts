import { describe, expect, test } from "vitest";
import { parseArguments, UsageError } from "./arguments.ts";

const parse = (...args: string[]) => parseArguments(args, ["create", "fill"]);

describe("parseArguments", () => {
  test("runs everything by default", () => {
    expect(parse()).toMatchObject({ only: [], json: false, check: false, quick: false, rounds: undefined });
  });

  test("--only can be repeated and takes a list", () => {
    expect(parse("--only", "create", "--only", "fill").only).toEqual(["create", "fill"]);
    expect(parse("--only", "create,fill").only).toEqual(["create", "fill"]);
  });

  test.each([["--only", "nothing"], ["--rounds", "0"], ["--rounds", "many"], ["--unknown"], ["stray"]])(
    "refuses %s %s",
    (...args) => {
      expect(() => parse(...args)).toThrow(UsageError);
    },
  );
});
