import { describe, expect, it } from "vitest";
import { Container } from "../../di/container.ts";
import { token } from "../../di/token.ts";
import { ImageBackends } from "../../image/image-backend.ts";
import { definePlugin, type PluginSettings, type StandardSchema } from "../../plugin/plugin.ts";
import { loadPlugins, type LoadPluginsOptions } from "./load-plugins.ts";

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
  options: LoadPluginsOptions = {},
) =>
  loadPlugins(
    names,
    settings,
    container,
    async (name) => {
      if (!(name in modules)) throw new Error(`Cannot find package '${name}'`);
      return modules[name];
    },
    options,
  );

describe("loadPlugins", () => {
  it("registers each with its checked configuration", async () => {
    const container = Container.create();
    const [loaded] = await load({ good: { default: good } }, ["good"], container);
    expect(loaded).toMatchObject({ specifier: "good", plugin: good, registrations: [{ id: Thing.id }] });
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

  it.each([
    {
      api: { current: 3, age: 1 },
      apiVersion: 1,
      says: /plugin API 1, this host has 3 and accepts 2 to 3; .*newer version of the plugin/,
    },
    {
      api: { current: 3, age: 1 },
      apiVersion: 4,
      says: /plugin API 4, this host has 3 and accepts 2 to 3; .*update @luksmith\/core/,
    },
    { api: { current: 3, age: 0 }, apiVersion: 2, says: /plugin API 2, this host has 3 and accepts 3 only/ },
  ])("refuses API $apiVersion outside of the window $api", async ({ api, apiVersion, says }) => {
    const modules = { other: { default: { ...good, apiVersion } } };
    await expect(load(modules, ["other"], Container.create(), { api })).rejects.toThrow(says);
  });

  it("takes what is inside of the window", async () => {
    for (const apiVersion of [2, 3]) {
      const modules = { older: { default: { ...good, apiVersion } } };
      const options = { api: { current: 3, age: 1 } };
      expect(await load(modules, ["older"], Container.create(), options)).toHaveLength(1);
    }
  });

  it.each([
    ["nothing", undefined, "not made by definePlugin"],
    ["a function", () => good, "not made by definePlugin"],
    ["no default", { good }, "not made by definePlugin"],
    ["another type", { default: { ...good, $type: "x" } }, "not made by definePlugin"],
    ["a name with blanks", { default: { ...good, name: "a b" } }, "its name must be"],
    [
      "an API that is no number",
      { default: { ...good, apiVersion: NaN } },
      "its apiVersion must be a whole number",
    ],
    ["half an API", { default: { ...good, apiVersion: 1.5 } }, "its apiVersion must be a whole number"],
    ["a schema of nobody's", { default: { ...good, config: {} } }, "not a Standard Schema"],
    ["no register", { default: { ...good, register: undefined } }, "no function register"],
    [
      "a getter that throws",
      {
        default: Object.defineProperty({ ...good }, "name", {
          get: () => {
            throw new Error("ha");
          },
        }),
      },
      "looking at its default export fails (Error: ha)",
    ],
  ])("says what is wrong with a module that exports %s", async (_, module, problem) => {
    await expect(load({ odd: module })).rejects.toMatchObject({
      code: "PluginNotLoadable",
      message: expect.stringContaining(`odd is not a Luksmith plugin: `),
    });
    await expect(load({ odd: module })).rejects.toThrow(problem);
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

  it.each([
    ["registers asynchronously", async () => {}, /its register is asynchronous/],
    [
      "throws what is no error",
      () => {
        throw null as unknown as Error;
      },
      /failed while registering: null/,
    ],
    [
      "never returns from register",
      () => {
        for (;;);
      },
      /did not end registering within 0.2 s/,
    ],
  ])("contains one that %s, and names it", async (_, register, says) => {
    const broken = { default: { ...good, name: "broken", register } };
    // Only who never returns is to be slow, whatever else this machine does.
    const options = says.source.includes("0.2 s") ? { timeoutMs: 200 } : {};
    await expect(load({ broken }, ["broken"], Container.create(), options)).rejects.toThrow(says);
    await expect(load({ broken }, ["broken"], Container.create(), options)).rejects.toThrow("plugin broken ");
  });

  it("contains one whose import never ends, and whose schema never answers", async () => {
    const options = { timeoutMs: 50 };
    const never = new Promise<never>(() => {});
    const hanging = loadPlugins(["far"], settings, Container.create(), () => never, options);
    await expect(hanging).rejects.toThrow("plugin far did not end loading within 0.05 s");
    const silent = { ...good, config: { "~standard": { ...accepting["~standard"], validate: () => never } } };
    const modules = { silent: { default: silent } };
    await expect(load(modules, ["silent"], Container.create(), options)).rejects.toThrow(
      "plugin silent did not end checking its configuration",
    );
  });

  it("leaves nothing of one that fails half-way", async () => {
    const container = Container.create();
    const half = definePlugin({
      ...good,
      name: "half",
      register: (registrar) => {
        registrar.provide(Thing, () => "half");
        throw new Error("boom");
      },
    });
    await expect(load({ half: { default: half } }, ["half"], container)).rejects.toThrow("boom");
    expect(container.has(Thing)).toBe(false);
  });

  it("names both plugins that provide one thing, and the one that provides it twice", async () => {
    const other = { default: { ...good, name: "other" } };
    await expect(load({ good: { default: good }, other })).rejects.toThrow(
      "two plugins provide test.thing: good and other",
    );
    const twice = definePlugin({
      ...good,
      register: (registrar) => {
        registrar.provide(Thing, () => "one");
        registrar.provide(Thing, () => "two");
      },
    });
    await expect(load({ twice: { default: twice } })).rejects.toThrow(
      "plugin twice provides test.thing twice",
    );
  });

  it("looks at what a plugin makes before anybody uses it", async () => {
    const container = Container.create();
    const backendless = definePlugin({
      ...good,
      register: (registrar) => registrar.contribute(ImageBackends, () => ({ name: "x" }) as never),
    });
    await load({ backendless: { default: backendless } }, ["backendless"], container);
    expect(() => container.all(ImageBackends)).toThrow(
      "plugin backendless is not usable: its image-backend has no method image",
    );
  });

  it("refuses what is registered later", async () => {
    let later: (() => void) | undefined;
    const late = definePlugin({
      ...good,
      register: (registrar) => {
        later = () => registrar.provide(Thing, () => "late");
      },
    });
    await load({ late: { default: late } });
    expect(() => later?.()).toThrow("plugin late registers something after its register has ended");
  });

  it("gives each plugin settings of its own", async () => {
    const greedy = definePlugin({
      ...good,
      name: "greedy",
      config: schema((value) => void ((value as { sections: unknown }).sections = {})),
      register: () => {},
    });
    const curious = definePlugin({
      ...good,
      name: "curious",
      config: schema((value) => ("DEFAULT" in (value as PluginSettings).sections ? undefined : "robbed")),
    });
    const modules = { greedy: { default: greedy }, curious: { default: curious } };
    expect(await load(modules)).toHaveLength(2);
  });

  it("says in which line an option is wrong, known or unknown to the schema", async () => {
    const own: PluginSettings = {
      sections: { "luksmith:good": { size: "x", colour: "red" } },
      statePath: "/",
    };
    const issues = [
      { message: "must be a number", path: ["sections", "luksmith:good", "size"] },
      { message: 'Unrecognized key: "colour"', path: ["sections", "luksmith:good"] },
    ];
    const config = { "~standard": { version: 1, vendor: "test", validate: () => ({ issues }) } } as const;
    const options = { locate: (section: string, name: string) => `${section}/${name}:7` };
    const importModule = async () => ({ default: { ...good, config } });
    const loading = loadPlugins(["good"], own, Container.create(), importModule, options);
    await expect(loading).rejects.toThrow(
      '[luksmith:good] size: must be a number (luksmith:good/size:7); [luksmith:good]: Unrecognized key: "colour" (luksmith:good/colour:7)',
    );
  });

  it("refuses the same plugin twice", async () => {
    await expect(load({ good: { default: good } }, ["good", "good"])).rejects.toMatchObject({
      code: "PluginConflict",
    });
  });
});
