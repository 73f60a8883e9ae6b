import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readManifest } from "./packages.ts";

/** A file that a licence wants to go with the code. */
const LEGAL = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i;

/**
 * The licences and notices of everything that is installed in a `node_modules`, but for our own packages, as one text; sorted, so that the
 * same packages give the same text.
 */
export function noticesOf(nodeModules: string): string {
  const parts = installed(nodeModules).map((folder) => {
    const { name, version, license } = readManifest(folder);
    const texts = readdirSync(folder)
      .filter((file) => LEGAL.test(file))
      .toSorted((a, b) => a.localeCompare(b))
      .map((file) => readFileSync(join(folder, file), "utf8").trim());
    const body =
      texts.length === 0 ? `Licence: ${String(license)}; the package has no text of it.` : texts.join("\n\n");
    return { title: `${name} ${version}`, text: `${name} ${version} (${String(license)})\n\n${body}\n` };
  });
  const unique = new Map(parts.map(({ title, text }) => [title, text]));
  const titles = [...unique.keys()].toSorted((a, b) => a.localeCompare(b));
  return titles.map((title) => `${"=".repeat(78)}\n${unique.get(title) ?? ""}`).join("\n");
}

function installed(nodeModules: string): string[] {
  return readdirSync(nodeModules, { withFileTypes: true }).flatMap((entry) => {
    const path = join(nodeModules, entry.name);
    if (!entry.isDirectory() || entry.name.startsWith(".")) return [];
    const folders = entry.name.startsWith("@") ? readdirSync(path).map((name) => join(path, name)) : [path];
    return folders.flatMap((folder) => (isOurs(folder) ? nested(folder) : [folder].concat(nested(folder))));
  });
}

function nested(folder: string): string[] {
  return readdirSync(folder).includes("node_modules") ? installed(join(folder, "node_modules")) : [];
}

function isOurs(folder: string): boolean {
  return folder.slice(folder.lastIndexOf("/node_modules/")).startsWith("/node_modules/@luksmith/");
}
