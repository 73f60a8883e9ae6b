import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, LuksmithError } from "@luksmith/core";
import { parseDocument } from "yaml";

/** Where openstacksdk looks; the first file that is there and may be read wins. */
export interface SearchPath {
  readonly cwd: string;
  readonly home: string | undefined;
  /** `OS_CLIENT_CONFIG_FILE` or `OS_CLIENT_SECURE_FILE`: looked at first. */
  readonly first: string | undefined;
}

export interface YamlFile {
  readonly path: string;
  readonly content: unknown;
}

/**
 * Reads `clouds.yaml` or `secure.yaml`.
 * @throws `ConfigInvalid` with the place of a mistake, without the text that stands there
 */
export async function findYaml(name: "clouds" | "secure", search: SearchPath): Promise<YamlFile | undefined> {
  const folders = [
    search.cwd,
    ...(search.home === undefined ? [] : [join(search.home, ".config/openstack")]),
    "/etc/openstack",
  ];
  const paths = folders.flatMap((folder) =>
    ["yaml", "yml", "json"].map((end) => join(folder, `${name}.${end}`)),
  );
  for (const path of search.first === undefined ? paths : [search.first, ...paths]) {
    const text = await readIfThere(path);
    if (text !== undefined) return { path, content: parseYaml(path, text) };
  }
  return undefined;
}

/** As openstacksdk: what is not there or may not be read is passed over. */
async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== undefined && ["ENOENT", "ENOTDIR", "EACCES"].includes(errno)) return undefined;
    throw new LuksmithError("ConfigInvalid", `${path} cannot be read (${errno}); correct or remove it`);
  }
}

/** JSON is YAML. */
function parseYaml(path: string, text: string): unknown {
  // Not pretty: the excerpts in those messages may show a password.
  const document = parseDocument(text, { prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) throw notYaml(`${path}, line ${lineOf(text, error.pos[0])}`, error.code);
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    // An alias of something that is not there, or so many that they would fill the memory.
    throw notYaml(path, "BAD_ALIAS");
  }
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

function notYaml(where: string, code: string): LuksmithError {
  return new LuksmithError("ConfigInvalid", `${where}: not YAML (${code}); correct it`);
}
