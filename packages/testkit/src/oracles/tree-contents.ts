import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * Every name below the directories with its kind, mode and inode, and of files size and digest: for
 * `ImageBackendFixture.contents`. Two are equal only if nothing changed, also not by being put back.
 */
export async function treeContents(...roots: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const tree = new Map<string, string>();
  for (const root of roots) await walk(root, tree);
  return tree;
}

async function walk(path: string, tree: Map<string, string>): Promise<void> {
  const stat = await lstat(path);
  const common = `${(stat.mode & 0o7777).toString(8)} inode ${stat.ino}`;
  if (stat.isDirectory()) {
    tree.set(path, `directory ${common}`);
    for (const name of await readdir(path)) await walk(join(path, name), tree);
  } else if (stat.isSymbolicLink()) {
    tree.set(path, `link ${common} ${await readlink(path)}`);
  } else if (stat.isFile()) {
    const digest = createHash("sha256").update(await readFile(path));
    tree.set(path, `file ${common} ${stat.size} ${digest.digest("hex")}`);
  } else {
    tree.set(path, `special ${common}`);
  }
}
