import { describe, expect, it } from "vitest";
import { Container } from "../di/container.ts";
import { token } from "../di/token.ts";
import { definePlugin, type PluginSettings, type StandardSchema } from "../plugin/plugin.ts";
import { loadPlugins } from "./load-plugins.ts";

const Thing = token<string>("test.thing");
const settings: PluginSettings = { sections: { DEFAULT: { color: "red" } }, statePath: "/nowhere" };

/** A schema as any library would make it: the host knows the standard only. */
function schema(judge: (value: unknown) => string | undefined): StandardSchema<string> {
  return {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => {
        const problem = judge(value);
        return problem
          ? { issues: [{ message: problem, path: ["sections", "DEFAULT", "color"] }] }
          : { value: "checked" };
      },
    },
  };
}

const accepting = schema(() => undefined);
const good = definePlugin({
  name: "good",
  apiVersion: 1,
  config: accepting,
  register: (registrar, config) => registrar.provide(Thing, () => config),
});

const load = (
  modules: Record<string, unknown>,
  names = Object.keys(modules),
  container = Container.create(),
) =>
  loadPlugins(names, settings, container, async (name) => {
    if (!(name in modules)) throw new Error(`Cannot find package '${name}'`);
    return modules[name];
  });

describe("loadPlugins", () => {
  it("registers each with its checked configuration", async () => {
    const container = Container.create();
    expect(await load({ good: { default: good } }, ["good"], container)).toEqual(["good"]);
    expect(container.get(Thing)).toBe("checked");
  });

  it("stops at one that cannot be imported", async () => {
    await expect(load({}, ["absent"])).rejects.toMatchObject({
      code: "PluginNotLoadable",
      category: "config",
      details: { plugin: "absent" },
    });
  });

  it("stops at a module that is no plugin", async () => {
    await expect(load({ other: { default: {} } })).rejects.toMatchObject({ code: "PluginNotLoadable" });
  });

  it("refuses another API version and names both", async () => {
    const newer = { ...good, apiVersion: 99 };
    await expect(load({ newer: { default: newer } })).rejects.toThrow(/plugin API 99.*this host has 1/);
    await expect(load({ newer: { default: newer } })).rejects.toMatchObject({ code: "PluginIncompatible" });
  });

  it("refuses a configuration that its own schema dislikes, saying where", async () => {
    const picky = definePlugin({ ...good, name: "picky", config: schema(() => "must be blue") });
    await expect(load({ picky: { default: picky } })).rejects.toThrow("[DEFAULT] color: must be blue");
  });

  it("contains one that throws while registering, and names it", async () => {
    const broken = definePlugin({
      ...good,
      name: "broken",
      register: () => {
        throw new Error("boom");
      },
    });
    await expect(load({ broken: { default: broken } })).rejects.toThrow(
      /plugin broken failed while registering: Error: boom/,
    );
  });

  it("refuses the same plugin twice", async () => {
    await expect(load({ good: { default: good } }, ["good", "good"])).rejects.toMatchObject({
      code: "PluginConflict",
    });
  });
});
