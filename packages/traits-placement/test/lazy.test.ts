import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

test("loading the plugin loads no HTTP: most commands of a host that has it report nothing", () => {
  const plugin = join(import.meta.dirname, "../src/index.ts");
  const hook = `import { registerHooks } from "node:module";
    registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) });`;
  const args = [
    "--conditions=luksmith-source",
    "--import",
    `data:text/javascript,${encodeURIComponent(hook)}`,
  ];
  const loaded = execFileSync(process.execPath, [...args, plugin], { encoding: "utf8" }).split("\n");
  expect(loaded).toContainEqual(expect.stringContaining("traits-placement/src/lazy-reporter.ts"));
  expect(loaded.filter((url) => /\/(axios|cockatiel|yaml)\/|packages\/keystone/.test(url))).toEqual([]);
});
