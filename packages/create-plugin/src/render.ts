import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { TEMPLATES } from "./own-package.ts";
import { packageJson } from "./package-json.ts";
import type { Kind, PluginSpec } from "./plugin-spec.ts";

/** The plugin's files by their names in its folder. */
export type Files = ReadonlyMap<string, string>;

const TOOLS = "qemu-utils cryptsetup-bin e2fsprogs";
const CI_TOOLS = `- run: sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${TOOLS}`;

/** Fills the templates in. Those are a working plugin named acme, so that they are compiled and tested as they are. */
export async function renderPlugin(spec: PluginSpec): Promise<Files> {
  const { kind, licence } = spec;
  const backend = kind === "backend";
  const common = await readTemplate("common");
  const fill = filler({
    package: spec.package,
    description: spec.description,
    licence,
    year: String(new Date().getFullYear()),
    holder: spec.author ?? `the authors of ${spec.package}`,
    tools_note: backend ? `; needs ${TOOLS}` : "",
  });
  const maintain = fill(common.get("maintain.md") ?? "");
  const files = new Map<string, string>([["package.json", packageJson(spec)]]);
  for (const [name, text] of common) {
    if (name === "maintain.md" || name.startsWith("licences/")) continue;
    const steps = text.replace(/# \{\{ci_tools\}\}\n */, () => (backend ? `${CI_TOOLS}\n      ` : ""));
    files.set(published(name), fill(steps));
  }
  const rename = renamer(spec);
  for (const [name, text] of await readTemplate(kind)) {
    files.set(rename(name), rename(text));
  }
  const readme = (files.get("README.md") ?? "").replace("{{maintain}}", () => maintain);
  files.set("README.md", licence === "UNLICENSED" ? withoutLicence(fill(readme)) : fill(readme));
  const text = common.get(`licences/${licence}.txt`);
  if (text !== undefined) files.set("LICENSE", fill(text));
  return files;
}

async function readTemplate(name: Kind | "common"): Promise<Files> {
  const root = join(TEMPLATES, name);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = paths.map(async (path) => [relative(root, path), await readFile(path, "utf8")] as const);
  return new Map(await Promise.all(texts));
}

/** npm leaves out, or heeds, some names that begin with a dot: in the package they begin with `_`. */
function published(name: string): string {
  return name.replace(/^_/, ".");
}

/** In one pass, so that a value which looks like a placeholder is left alone. */
function filler(values: Readonly<Record<string, string>>): (text: string) => string {
  return (text) => text.replaceAll(/\{\{(\w+)\}\}/g, (whole, name: string) => values[name] ?? whole);
}

/** `acme` by the plugin's name: in identifiers `acmeFixture`, `AcmeImage`, elsewhere as it is. */
function renamer({ name }: PluginSpec): (text: string) => string {
  const pascal = name.split("-").map(capital).join("");
  const camel = pascal.charAt(0).toLowerCase() + pascal.slice(1);
  return (text) =>
    text.replaceAll(/Acme|acme/g, (word, at: number, all: string) => {
      if (word === "Acme") return pascal;
      return /[A-Z]/.test(all.charAt(at + word.length)) ? camel : name;
    });
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function withoutLicence(readme: string): string {
  return readme.replace(/\n## Licence\n[^]*$/, "");
}
