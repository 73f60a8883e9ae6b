import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CreateError } from "./create-error.ts";
import { type PluginOptions, type PluginSpec, specify } from "./plugin-spec.ts";
import { type Files, renderPlugin } from "./render.ts";

export interface CreatedPlugin extends PluginSpec {
  /** Relative to the folder, sorted. */
  readonly files: readonly string[];
}

/**
 * Makes the folder of a new plugin, all of it or nothing. A folder that is there must be empty but for `.git`.
 * @throws `CreateError`
 */
export async function createPlugin(options: PluginOptions): Promise<CreatedPlugin> {
  const spec = specify(options);
  const files = await renderPlugin(spec);
  await requireEmpty(spec.folder);
  await writeAll(spec.folder, files);
  return { ...spec, files: [...files.keys()].toSorted() };
}

async function requireEmpty(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw unusable(folder, error);
  });
  const others = names.filter((name) => name !== ".git");
  if (others.length === 0) return;
  throw new CreateError(
    "FolderNotEmpty",
    `${folder} is not empty (${others.slice(0, 3).join(", ")}${others.length > 3 ? ", …" : ""}) and was not touched; name a new folder`,
  );
}

async function writeAll(folder: string, files: Files): Promise<void> {
  const made: string[] = [];
  try {
    for (const [name, text] of files) {
      const path = join(folder, name);
      const directory = await mkdir(dirname(path), { recursive: true });
      if (directory !== undefined) made.push(directory);
      // Whoever puts something there meanwhile keeps it.
      await writeFile(path, text, { flag: "wx" });
      made.push(path);
    }
  } catch (error) {
    for (const path of made.toReversed()) await rm(path, { recursive: true, force: true });
    throw unusable(folder, error);
  }
}

function unusable(folder: string, error: unknown): CreateError {
  const reason = error instanceof Error ? error.message : String(error);
  return new CreateError("FolderUnusable", `${folder} cannot be made or written: ${reason}`, error);
}
