import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The package's folder, whether this runs from `src` or `dist`. */
const ROOT = join(import.meta.dirname, "..");

export const TEMPLATES = join(ROOT, "templates");

interface Manifest {
  readonly version: string;
  readonly devDependencies: Readonly<Record<string, string>>;
}

function read(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/**
 * The range in which a new plugin takes a package: what this package was itself tested with, or anything compatible. (Its
 * development dependencies are those of its templates, which are compiled in the workspace.)
 */
export function rangeOf(name: string): string {
  const range = read(ROOT).devDependencies[name];
  if (range === undefined) throw new Error(`${name} is not among what the templates are compiled with`);
  // In the workspace; publishing writes the version there.
  if (range.startsWith("workspace:"))
    return `^${read(join(ROOT, "..", name.replace("@luksmith/", ""))).version}`;
  return /^\d/.test(range) ? `^${range}` : range;
}

export function ownVersion(): string {
  return read(ROOT).version;
}
