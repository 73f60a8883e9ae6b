import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { Plugin, PluginSettings, SchemaIssue } from "../../plugin/plugin.ts";
import { inPlugin } from "./plugin-registrar.ts";
import { callWithin, type PluginLimit, waitWithin } from "./within-limit.ts";

/** Where a file sets an option: `/etc/luksmith/luksmith.conf:12`; undefined: none does. */
export type LocateOption = (section: string, name: string) => string | undefined;

/** The section that is a plugin's own. */
export function ownSection(plugin: string): string {
  return `luksmith:${plugin}`;
}

/**
 * A plugin's configuration, checked by its own schema.
 * @throws `ConfigInvalid` with all that is wrong, and where; `PluginNotLoadable` for a schema that fails or hangs
 */
export async function pluginSettings(
  plugin: Plugin,
  settings: PluginSettings,
  limit: PluginLimit,
  locate: LocateOption = () => undefined,
): Promise<unknown> {
  const what = "checking its configuration";
  // Its own copy: what it changes in it is nobody else's.
  const given = structuredClone(settings);
  let result;
  try {
    const checked = callWithin(limit, what, () => plugin.config["~standard"].validate(given));
    result = await waitWithin(limit, what, Promise.resolve(checked));
  } catch (error) {
    throw inPlugin(plugin.name, what, error);
  }
  if (!result.issues) return result.value;
  const names = (section: string): readonly string[] => Object.keys(settings.sections[section] ?? {});
  const problems = result.issues.map((issue) => describeIssue(issue, names, locate));
  throw new LuksmithError(
    "ConfigInvalid",
    `the configuration of plugin ${plugin.name} is not valid: ${problems.join("; ")}`,
    { details: { plugin: plugin.name, problems } },
  );
}

function describeIssue(
  { path: parts = [], message }: SchemaIssue,
  names: (section: string) => readonly string[],
  locate: LocateOption,
): string {
  const path = parts.map((part) => String(typeof part === "object" ? part.key : part));
  const [first, section, ...rest] = path;
  if (first !== "sections" || section === undefined) {
    return path.length > 0 ? `${path.join(".")}: ${message}` : message;
  }
  // An unknown option is the section's issue; the schema's words name it.
  const named = rest[0] ?? names(section).find((name) => message.includes(`"${name}"`));
  const at = named === undefined ? undefined : locate(section, named);
  const where = [`[${section}]`, ...(rest.length > 0 ? [rest.join(".")] : [])].join(" ");
  return `${where}: ${message}${at === undefined ? "" : ` (${at})`}`;
}
