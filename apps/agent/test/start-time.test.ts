import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TemporaryHost } from "./temporary-host.ts";

const HEAVY = /\/(zod|execa|tsyringe|reflect-metadata|pino|axios)\/|packages\/(luks|backend-|keymgr-)/;

test("list and show load neither schemas nor plugins nor ciphers: they must answer at once", async () => {
  await using host = await TemporaryHost.create();
  const { uuid } = await host.json<{ uuid: string }>(["create", "-f", "-"], host.request());
  const hook = `import { registerHooks } from "node:module";
    registerHooks({ load: (url, context, next) => (process.stderr.write(url + "\\n"), next(url, context)) });`;
  for (const argv of [["list"], ["show", uuid], ["config", "show"]]) {
    const main = join(import.meta.dirname, "../src/main.ts");
    const command = `node --conditions=luksmith-source --import 'data:text/javascript,${encodeURIComponent(hook).replaceAll("'", "%27")}' "$@" 2>&1 >/dev/null`;
    const args = ["-c", command, "sh", main, "--config-file", host.configFile, ...argv];
    const loaded = execFileSync("sh", args, { encoding: "utf8" }).split("\n");
    expect(loaded).toContainEqual(expect.stringContaining("apps/agent/src/main.ts"));
    expect(loaded.filter((url) => HEAVY.test(url))).toEqual([]);
  }
});
