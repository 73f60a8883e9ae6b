import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";

/** Imports a plugin by package name, absolute path or URL; from here, so that those the agent comes with are found. */
export function importPlugin(specifier: string): Promise<unknown> {
  return import(isAbsolute(specifier) ? pathToFileURL(specifier).href : specifier);
}
