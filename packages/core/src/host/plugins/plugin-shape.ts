import { LuksmithError } from "../../errors/luksmith-error.ts";
import { type Plugin, PLUGIN_API } from "../../plugin/plugin.ts";

/** `current - age` to `current`. */
export type ApiWindow = { readonly current: number; readonly age: number };

/**
 * What a module exports, as a plugin.
 * @throws `PluginNotLoadable` naming what is missing; `PluginIncompatible`
 */
export function asPlugin(specifier: string, module: unknown, api: ApiWindow = PLUGIN_API): Plugin {
  let problem: string | undefined;
  let plugin: Plugin | undefined;
  try {
    const found = defaultExport(module);
    problem = problemOf(found);
    if (problem === undefined) plugin = found as Plugin;
  } catch (error) {
    problem = `looking at its default export fails (${String(error)})`;
  }
  if (!plugin) {
    throw new LuksmithError("PluginNotLoadable", `${specifier} is not a Luksmith plugin: ${problem}`, {
      details: { plugin: specifier },
    });
  }
  requireWithin(specifier, plugin, api);
  return plugin;
}

function requireWithin(specifier: string, { name, apiVersion }: Plugin, { current, age }: ApiWindow): void {
  const oldest = current - age;
  if (apiVersion >= oldest && apiVersion <= current) return;
  const window = oldest === current ? `${current} only` : `${oldest} to ${current}`;
  const remedy =
    apiVersion > current
      ? "update @luksmith/core and the agent, or install an older version of the plugin"
      : "install a newer version of the plugin";
  throw new LuksmithError(
    "PluginIncompatible",
    `plugin ${specifier} was made for plugin API ${apiVersion}, this host has ${current} and accepts ${window}; ${remedy} (docs/reference/plugin-api-changes.md)`,
    { details: { plugin: specifier, name, apiVersion, current, age } },
  );
}

function defaultExport(module: unknown): unknown {
  return typeof module === "object" && module !== null && "default" in module ? module.default : undefined;
}

function problemOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("$type" in value)) {
    return "its default export is not made by definePlugin";
  }
  const { $type, name, apiVersion, config, register } = value as Partial<Record<keyof Plugin, unknown>>;
  if ($type !== "luksmith.plugin") return "its default export is not made by definePlugin";
  if (typeof name !== "string" || !/^[a-z0-9][a-z0-9._-]{0,99}$/.test(name)) {
    return "its name must be lower-case letters, digits, dots and hyphens";
  }
  if (!Number.isSafeInteger(apiVersion)) return "its apiVersion must be a whole number";
  if (!isSchema(config)) return "its config is not a Standard Schema (https://standardschema.dev)";
  if (typeof register !== "function") return "it has no function register";
  return undefined;
}

function isSchema(value: unknown): boolean {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard: unknown = Reflect.get(value, "~standard");
  return (
    typeof standard === "object" &&
    standard !== null &&
    typeof Reflect.get(standard, "validate") === "function"
  );
}
