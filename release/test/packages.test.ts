import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkFiles, checkManifest, checkTarball } from "../src/check-tarball.ts";
import { pack } from "../src/pack.ts";
import { releasedPackages } from "../src/packages.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "luksmith-packed-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("what one installs", () => {
  test.each(releasedPackages().map((released) => [released.name, released] as const))(
    "%s has nothing that publint, arethetypeswrong or our own rules object to",
    async (_name, released) => {
      expect(await checkTarball(await pack(released, folder))).toEqual([]);
    },
    120_000,
  );
});

describe("the rules for packages", () => {
  const good = {
    name: "@luksmith/good",
    version: "1.0.0",
    license: "Apache-2.0",
    description: "Good",
    engines: { node: ">=24" },
    dependencies: { zod: "4.6.7" },
    peerDependencies: { "@luksmith/core": "^1.0.0" },
  };

  test("let a good manifest pass", () => expect(checkManifest(good)).toEqual([]));

  test.each([
    [
      "a range that only this workspace knows",
      { dependencies: { "@luksmith/luks": "workspace:^" } },
      /workspace/,
    ],
    [
      "a peer that the next minor release breaks",
      { peerDependencies: { "@luksmith/core": "~1.0.0" } },
      /caret/,
    ],
    ["another licence", { license: "UNLICENSED" }, /licence UNLICENSED/],
    ["no word on Node", { engines: {} }, /which Node/],
  ])("object to %s", (_what, change, problem) => {
    expect(checkManifest({ ...good, ...change })).toEqual([expect.stringMatching(problem)]);
  });

  test.each(["dist/a.test.js", "src/index.ts", "dist/index.js.map", "dist/.tsbuildinfo", ".npmrc"])(
    "object to %s",
    (file) => {
      expect(checkFiles(["LICENSE", "README.md", "dist/index.d.ts", file])).toEqual([
        `files: ${file} is in it`,
      ]);
    },
  );

  test("want a licence and a read-me", () => {
    expect(checkFiles(["dist/index.js"])).toEqual(["files: no LICENSE", "files: no README.md"]);
  });
});
