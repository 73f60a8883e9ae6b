import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { PluginPackage } from "./suite-report.ts";

/** The package that a test file belongs to: the nearest manifest with a name above it. */
export function testedPackage(testFile: string): PluginPackage | null {
  for (let folder = dirname(testFile); ; folder = dirname(folder)) {
    const found = manifestIn(folder);
    if (found) return found;
    if (folder === dirname(folder)) return null;
  }
}

function manifestIn(folder: string): PluginPackage | undefined {
  const path = join(folder, "package.json");
  if (!existsSync(path)) return undefined;
  const { name, version } = JSON.parse(readFileSync(path, "utf8")) as Partial<PluginPackage>;
  return name === undefined ? undefined : { name, version: version ?? "0.0.0" };
}
