import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { join, relative } from "node:path";

/** Every name below the directories, with kind, mode, inode and content: two are equal when nothing changed. */
export function treeOf(...roots: readonly string[]): ReadonlyMap<string, string> {
  const tree = new Map<string, string>();
  for (const root of roots) walk(root, tree);
  return tree;
}

/** Names of everything but directories, relative to `root`, sorted. */
export function filesBelow(root: string): readonly string[] {
  return entriesBelow(root, false);
}

/** Names of directories, relative to `root`, sorted. */
export function directoriesBelow(root: string): readonly string[] {
  return entriesBelow(root, true);
}

function entriesBelow(root: string, directories: boolean): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory() === directories)
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .toSorted();
}

function walk(path: string, tree: Map<string, string>): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  const common = `${(stat.mode & 0o7777).toString(8)} inode ${stat.ino}`;
  if (stat.isDirectory()) {
    tree.set(path, `directory ${common}`);
    for (const name of readdirSync(path)) walk(join(path, name), tree);
  } else if (stat.isSymbolicLink()) tree.set(path, `link ${common} ${readlinkSync(path)}`);
  else if (stat.isFile()) tree.set(path, `file ${common} ${stat.size} ${contentHash(path)}`);
  else tree.set(path, `special ${common}`);
}

function contentHash(path: string): string {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(1024 * 1024);
  const fd = openSync(path, "r");
  try {
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
      hash.update(buffer.subarray(0, read));
    }
    return hash.digest("hex");
  } finally {
    closeSync(fd);
  }
}
