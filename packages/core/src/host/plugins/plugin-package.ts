import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { fileURLToPath } from "node:url";

/** The package that a plugin's module is in. */
export interface PluginPackage {
  readonly name: string;
  readonly version: string;
}

/** @param url of the module. @returns undefined for a file outside of any package that has a name */
export function packageOf(url: string): PluginPackage | undefined {
  if (!url.startsWith("file:")) return undefined;
  const path = findPackageJSON(url);
  if (path === undefined) return undefined;
  const { name, version } = JSON.parse(readFileSync(path, "utf8")) as Partial<PluginPackage>;
  return typeof name === "string" ? { name, version: version ?? "0.0.0" } : undefined;
}

/** The file behind a module's URL; undefined for what is none, such as `node:` and `data:`. */
export function fileOf(url: string): string | undefined {
  return url.startsWith("file:") ? fileURLToPath(url) : undefined;
}
