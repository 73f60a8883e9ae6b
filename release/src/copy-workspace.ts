import { cp, mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { releasedPackages, ROOT } from "./packages.ts";
import { run } from "./run.ts";

/** What a release looks at; the rest of the checkout stays where it is. */
const PARTS = [
  "package.json",
  "pnpm-workspace.yaml",
  "pnpm-lock.yaml",
  ".changeset",
  "LICENSE",
  "NOTICE",
  "packages",
  "apps",
  // Of the rest of the workspace, only what it is called.
  ":(glob)**/package.json",
];

/**
 * Copies what is released, as it is built, to an empty folder in which versions can be raised and packages be published without touching the
 * checkout. Installed packages are links to the checkout's; those to our own lead into the copy.
 */
export async function copyWorkspace(destination: string): Promise<void> {
  const list = await run(
    "git",
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ...PARTS],
    { cwd: ROOT },
  );
  for (const file of list.split("\0").filter((name) => name !== "")) {
    await mkdir(dirname(join(destination, file)), { recursive: true });
    await cp(join(ROOT, file), join(destination, file)).catch((error: unknown) => {
      // Removed in the checkout, and not committed yet.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    });
  }
  for (const { folder } of releasedPackages()) {
    const copied = join(destination, folder.slice(ROOT.length + 1));
    for (const name of ["dist", "node_modules"]) {
      await cp(join(folder, name), join(copied, name), { recursive: true, verbatimSymlinks: true });
    }
  }
  await symlink(join(ROOT, "node_modules"), join(destination, "node_modules"));
}
