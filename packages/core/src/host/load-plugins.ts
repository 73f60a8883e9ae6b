import type { Container } from "../di/container.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { type Plugin, PLUGIN_API, type PluginSettings, type SchemaIssue } from "../plugin/plugin.ts";

/** Imports a package by name, as seen from the program that chose it. */
export type ImportModule = (specifier: string) => Promise<unknown>;

/**
 * Loads the configured plugins in order. Fail closed: one that cannot load, is of another API version or dislikes its
 * configuration stops the host.
 * @throws `PluginNotLoadable`, `PluginIncompatible`, `PluginConflict`, `ConfigInvalid`
 */
export async function loadPlugins(
  names: readonly string[],
  settings: PluginSettings,
  container: Container,
  importModule: ImportModule,
): Promise<readonly string[]> {
  const loaded = new Set<string>();
  for (const name of names) {
    const plugin = await importPlugin(name, importModule);
    if (loaded.has(plugin.name)) {
      throw new LuksmithError(
        "PluginConflict",
        `plugin ${plugin.name} is configured twice; name it once in [luksmith] plugins`,
      );
    }
    loaded.add(plugin.name);
    const config = await validate(plugin, settings);
    register(plugin, config, container);
  }
  return [...loaded];
}

async function importPlugin(name: string, importModule: ImportModule): Promise<Plugin> {
  let module: unknown;
  try {
    module = await importModule(name);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LuksmithError(
      "PluginNotLoadable",
      `plugin ${name} cannot be loaded: ${reason}; install it, or take it out of [luksmith] plugins`,
      {
        cause: error,
        details: { plugin: name },
      },
    );
  }
  const plugin =
    typeof module === "object" && module !== null && "default" in module ? module.default : undefined;
  if (!isPlugin(plugin)) {
    throw new LuksmithError(
      "PluginNotLoadable",
      `${name} is not a Luksmith plugin: its default export is not made by definePlugin`,
      {
        details: { plugin: name },
      },
    );
  }
  const oldest = PLUGIN_API.current - PLUGIN_API.age;
  if (plugin.apiVersion < oldest || plugin.apiVersion > PLUGIN_API.current) {
    throw new LuksmithError(
      "PluginIncompatible",
      `plugin ${name} was made for plugin API ${plugin.apiVersion}, this host has ${PLUGIN_API.current} and accepts ${oldest} to ${PLUGIN_API.current}; install a matching version of either`,
      { details: { plugin: name, apiVersion: plugin.apiVersion, ...PLUGIN_API } },
    );
  }
  return plugin;
}

async function validate(plugin: Plugin, settings: PluginSettings): Promise<unknown> {
  const result = await plugin.config["~standard"].validate(settings);
  if (!result.issues) return result.value;
  const problems = result.issues.map(describeIssue);
  throw new LuksmithError(
    "ConfigInvalid",
    `the configuration of plugin ${plugin.name} is not valid: ${problems.join("; ")}`,
    {
      details: { plugin: plugin.name, problems },
    },
  );
}

function describeIssue(issue: SchemaIssue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === "object" ? part.key : part));
  const [first, section, ...rest] = path;
  const where = first === "sections" && section ? `[${section}] ${rest.join(".")}` : path.join(".");
  return where ? `${where}: ${issue.message}` : issue.message;
}

function register(plugin: Plugin, config: unknown, container: Container): void {
  try {
    plugin.register(container, config);
  } catch (error) {
    if (error instanceof LuksmithError) throw error;
    throw new LuksmithError(
      "PluginNotLoadable",
      `plugin ${plugin.name} failed while registering: ${String(error)}`,
      {
        cause: error,
        details: { plugin: plugin.name },
      },
    );
  }
}

function isPlugin(value: unknown): value is Plugin {
  return (
    typeof value === "object" &&
    value !== null &&
    "$type" in value &&
    value.$type === "luksmith.plugin" &&
    "register" in value &&
    typeof value.register === "function" &&
    "apiVersion" in value &&
    typeof value.apiVersion === "number"
  );
}
