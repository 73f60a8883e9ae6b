import { describe, expect, test } from "vitest";
import { Substitution } from "./substitution.ts";

function substitution(texts: Record<string, string>): Substitution {
  const map = new Map(Object.entries(texts));
  return new Substitution((section, name) => map.get(`${section}.${name}`));
}

const some = substitution({
  "DEFAULT.state_path": "/nova",
  "DEFAULT.instances_path": "$state_path/instances",
  "luksmith.state_path": "/luksmith",
  "luksmith.unset": "",
  "luksmith.self": "a$self",
  "luksmith.left": "$right",
  "luksmith.right": "${left}",
});

describe("references", () => {
  test.each([
    ["$state_path/a", "/luksmith/a"],
    ["${state_path}a", "/luksmitha"],
    ["$instances_path", "/nova/instances"],
    ["${DEFAULT.state_path}", "/nova"],
    ["$luksmith.state_path", "/luksmith"],
    ["$unset|", "|"],
    ["pa$$w", "pa$w"],
    ["$$state_path", "$state_path"],
    ["\\$state_path", "$state_path"],
    ["$5 and a$", "$5 and a$"],
    ["${state path}", "${state path}"],
    ["$$$state_path", "$/luksmith"],
  ])("%s is %s", (written, text) => {
    expect(some.expand(written, "luksmith")).toEqual({ text, unknown: [] });
  });

  test.each(["$nope", "${nope}", "$STATE_PATH", "$state_path.x", "$nope.x"])(
    "%s stays, and is reported",
    (written) => {
      expect(some.expand(`a ${written}`, "luksmith")).toEqual({ text: `a ${written}`, unknown: [written] });
    },
  );

  test("a reference to itself ends", () => {
    expect(some.expand("$self", "luksmith").failure).toBe("refers to itself through $self");
    expect(some.expand("$left", "luksmith").failure).toBe("refers to itself through $left");
  });
});

describe("a small file cannot take much time or memory", () => {
  test("doubling", () => {
    const names = Array.from({ length: 31 }, (_, i) => [`s.a${i}`, `$a${i + 1}$a${i + 1}`]);
    const doubling = substitution(Object.fromEntries([...names, ["s.a31", "x"]]));
    expect(doubling.expand("$a0", "s").failure).toMatch(/^is longer than 65536 characters/);
    const empty = substitution(Object.fromEntries([...names, ["s.a31", ""]]));
    expect(empty.expand("$a0", "s")).toEqual({ text: "", unknown: [] });
    const unknown = substitution(Object.fromEntries(names.slice(-9)));
    expect(unknown.expand("$a22", "s").unknown).toEqual(["$a31"]);
  });

  test("nesting", () => {
    const deep = substitution(
      Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`s.a${i}`, `$a${i + 1}`])),
    );
    expect(deep.expand("$a0", "s").failure).toBe("has references nested deeper than 32");
  });
});
