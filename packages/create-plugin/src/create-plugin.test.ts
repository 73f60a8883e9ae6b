import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createPlugin } from "./create-plugin.ts";
import { KINDS, LICENCES } from "./plugin-spec.ts";

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "create-plugin-"));
});
afterEach(() => rm(parent, { recursive: true }));

const cases = KINDS.flatMap((kind) => LICENCES.map((licence) => ({ kind, licence })));

describe("createPlugin", () => {
  test.each(cases)("leaves no placeholder in a $kind with $licence", async ({ kind, licence }) => {
    const folder = join(parent, "tape-store");
    // Words that would be replaced if values were filled in before names, or twice.
    const author = "Acme {{year}} $& Ltd";
    const made = await createPlugin({ folder, kind, licence, author, name: "glass-disk" });
    const found = (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
    expect(found.toSorted()).toEqual(made.files);
    for (const name of found) {
      const text = (await readFile(join(folder, name), "utf8")).replaceAll(author, "");
      expect(name + text).not.toMatch(/acme|(?<!\$)\{\{/i);
    }
    expect(found.includes("LICENSE")).toBe(licence !== "UNLICENSED");
    const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as object;
    expect(manifest).toMatchObject({ name: "tape-store", license: licence, author });
    expect(await readFile(join(folder, "README.md"), "utf8")).toContain(
      kind === "backend" ? "glass-disk" : "key",
    );
  });

  test("makes the folder's parents, and takes a folder in which there is only .git", async () => {
    await createPlugin({ folder: join(parent, "a/b/tape"), kind: "backend" });
    await mkdir(join(parent, "tape/.git"), { recursive: true });
    const { files } = await createPlugin({ folder: join(parent, "tape"), kind: "backend" });
    expect(files).toContain(".gitignore");
  });

  test("refuses a folder with something in it, and leaves it alone", async () => {
    await writeFile(join(parent, "notes"), "mine");
    const creating = createPlugin({ folder: parent, kind: "backend", package: "tape" });
    await expect(creating).rejects.toMatchObject({ code: "FolderNotEmpty" });
    expect(await readdir(parent)).toEqual(["notes"]);
  });

  test("refuses a file, and a link to nothing", async () => {
    await writeFile(join(parent, "tape"), "");
    await symlink("nowhere/at/all", join(parent, "disc"));
    for (const name of ["tape", "disc"]) {
      const creating = createPlugin({ folder: join(parent, name), kind: "backend" });
      await expect(creating).rejects.toMatchObject({ code: "FolderUnusable" });
    }
    expect(await readdir(parent)).toEqual(["disc", "tape"]);
  });
});
