import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FileTrust, type Trusted, trustedBy } from "./file-trust.ts";

const me = process.geteuid?.() ?? 0;
const root = me === 0;

let folder: string;
let file: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "luksmith-trust-")), "plugin");
  mkdirSync(folder, { mode: 0o755 });
  file = join(folder, "index.js");
  writeFileSync(file, "", { mode: 0o644 });
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true, force: true }));

const problem = (path = file, trusted: Trusted = { users: new Set([0, me]) }): string | undefined =>
  new FileTrust(trusted).problem(path);

describe("FileTrust", () => {
  test("takes what only root and the agent's user can change, below a sticky folder too", () => {
    expect(problem()).toBeUndefined();
  });

  test.each([
    ["the file by others", () => chmodSync(file, 0o646), "index.js can be changed by everybody (mode 646)"],
    ["the file by its group", () => chmodSync(file, 0o664), "index.js can be changed by group"],
    ["the folder by others", () => chmodSync(folder, 0o757), "plugin can be changed by everybody (mode 757)"],
    ["the folder by its group", () => chmodSync(folder, 0o775), "plugin can be changed by group"],
    [
      "the folder above",
      () => chmodSync(join(folder, ".."), 0o777),
      "can be changed by everybody (mode 777)",
    ],
  ])("says who can change %s", (_, change, says) => {
    chmodSync(folder, 0o755);
    change();
    expect(problem()).toContain(says);
  });

  test("follows links, and looks at the folder of the link as well", () => {
    const elsewhere = join(folder, "../elsewhere");
    mkdirSync(elsewhere);
    symlinkSync(file, join(elsewhere, "link.js"));
    expect(problem(join(elsewhere, "link.js"))).toBeUndefined();
    chmodSync(elsewhere, 0o777);
    expect(problem(join(elsewhere, "link.js"))).toContain("elsewhere can be changed by everybody");
    chmodSync(elsewhere, 0o755);
    chmodSync(file, 0o666);
    expect(problem(join(elsewhere, "link.js"))).toContain("index.js can be changed by everybody");
  });

  test("ends at links that point at each other", () => {
    symlinkSync("b", join(folder, "a"));
    symlinkSync("a", join(folder, "b"));
    expect(problem(join(folder, "a"))).toBeUndefined();
  });

  test.runIf(root)("takes nothing of another user's, who could give himself the right", () => {
    chownSync(file, 12_345, 0);
    expect(problem()).toBe(`${file} belongs to user 12345, who is neither root nor the agent's user`);
  });

  test.runIf(root)("trusts who can change the agent's own files: user and group", () => {
    const own = join(folder, "agent.js");
    writeFileSync(own, "");
    chownSync(own, 12_345, 54_321);
    chownSync(file, 12_345, 54_321);
    expect(problem(file, trustedBy(own))).toBeUndefined();
    chmodSync(file, 0o664);
    expect(problem(file, trustedBy(own))).toContain("can be changed by group 54321");
    chmodSync(own, 0o664);
    expect(problem(file, trustedBy(own))).toBeUndefined();
    chmodSync(own, 0o666);
    chmodSync(file, 0o666);
    expect(problem(file, trustedBy(own))).toContain("by everybody");
  });
});
