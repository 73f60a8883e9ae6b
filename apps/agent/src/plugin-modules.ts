import { createRequire } from "node:module";
import { isAbsolute } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ModuleSource } from "@luksmith/core/host";

/** A package name, an absolute path or a URL, as `import` takes it. */
function importable(specifier: string): string {
  return isAbsolute(specifier) ? pathToFileURL(specifier).href : specifier;
}

/** Plugins as seen from here, so that those the agent comes with are found. */
export const pluginModules: ModuleSource = {
  own: fileURLToPath(import.meta.url),
  resolve: (specifier) => import.meta.resolve(importable(specifier)),
  runSync: createRequire(import.meta.url),
  import: (specifier) => import(importable(specifier)),
};
