import { describe, expect, test } from "vitest";
import { type PluginOptions, specify } from "./plugin-spec.ts";

const options = (overrides: Partial<PluginOptions>): PluginOptions => ({
  folder: "/srv/tape",
  kind: "backend",
  ...overrides,
});

describe("specify", () => {
  test.each([
    ["luksmith-backend-tape", "tape"],
    ["tape-backend", "tape"],
    ["my-backend", "my"],
    ["@corp/luksmith-backend-glass.disk", "glass-disk"],
    ["backend", "backend"],
    ["luksmith-plugin", "luksmith-plugin"],
  ])("takes from the package %s the name %s", (packageName, name) => {
    expect(specify(options({ package: packageName }))).toMatchObject({ package: packageName, name });
  });

  test("fills in what was not said", () => {
    expect(specify(options({}))).toEqual({
      folder: "/srv/tape",
      kind: "backend",
      package: "tape",
      name: "tape",
      licence: "Apache-2.0",
      description: "tape: an image backend for Luksmith",
      author: undefined,
    });
  });

  test.each(["", "Tape", "a b", "../up", "@corp", "@corp/", "a/b", ".hidden", "_x", "x".repeat(215), "ü"])(
    "refuses the package name %j",
    (packageName) => {
      expect(() => specify(options({ package: packageName }))).toThrow(/cannot be the name of a package/);
    },
  );

  test.each(["1st", "Tape", "a_b", "a--b", "-a", "x".repeat(41), "a.b", "", "constructor()"])(
    "refuses the plugin's name %j",
    (name) => {
      expect(() => specify(options({ name }))).toThrow(/cannot be a plugin's name/);
    },
  );

  test.each([
    ["backend", "raw"],
    ["backend", "default"],
    ["key-manager", "local"],
  ])("refuses a %s %s, which Luksmith has", (kind, name) => {
    expect(() => specify(options({ kind, name }))).toThrow(`Luksmith has a ${kind} ${name} already`);
    expect(() => specify(options({ kind, package: `luksmith-${name}` }))).toThrow("give another with --name");
  });

  test("refuses other kinds and licences, and text of more than one line", () => {
    expect(() => specify(options({ kind: "driver" }))).toThrow(
      '--kind is one of backend, key-manager, not "driver"',
    );
    expect(() => specify(options({ licence: "GPL" }))).toThrow("--license is one of Apache-2.0, MIT");
    expect(() => specify(options({ description: "one\ntwo" }))).toThrow("one line each");
    expect(() => specify(options({ folder: "" }))).toThrow("name the folder");
  });
});
