import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SuiteReport } from "../src/index.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const PACKED = ["luks", "core", "testkit"] as const;

/** A third party's repository: nothing in it but what would have been installed. */
const outside = mkdtempSync(join(tmpdir(), "luksmith-outside-"));

const manifestOf = (name: string): Record<string, Record<string, string>> =>
  JSON.parse(readFileSync(join(outside, "node_modules/@luksmith", name, "package.json"), "utf8")) as Record<
    string,
    Record<string, string>
  >;

function install(name: string): void {
  const { packageManager } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    packageManager: string;
  };
  const target = join(outside, "node_modules/@luksmith", name);
  mkdirSync(target, { recursive: true });
  const pack = ["--yes", packageManager, "pack", "--pack-destination", outside];
  execFileSync("npx", pack, { cwd: join(ROOT, "packages", name), stdio: "pipe" });
  const tarball = readdirSync(outside).find((file) => file.startsWith(`luksmith-${name}-`));
  execFileSync("tar", ["-xzf", join(outside, tarball ?? ""), "-C", target, "--strip-components=1"]);
}

/** As if it were installed: the very package that this workspace has. */
function link(name: string, by: string): void {
  const path = join(outside, "node_modules", name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(join(ROOT, "packages", by, "node_modules", name), path);
}

function keyManagerTest(of: string): string {
  return `
import { describeKeyManager, InMemoryKeyManager } from "@luksmith/testkit";
${of}
describeKeyManager("toy", async () => {
  const keyManager = new Toy();
  return { keyManager, capabilities: { list: true }, [Symbol.asyncDispose]: () => keyManager.close() };
});
`;
}

const GOOD = "class Toy extends InMemoryKeyManager {}";
const FORGETFUL = "class Toy extends InMemoryKeyManager { async delete() {} }";

function runSuite(source: string): {
  status: number | null;
  output: string;
  report: SuiteReport;
  text: string;
} {
  writeFileSync(join(outside, "toy.test.js"), keyManagerTest(source));
  const { NODE_OPTIONS: _ours, VITEST: _also, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(outside, "node_modules/vitest/vitest.mjs"), "run"],
    { cwd: outside, encoding: "utf8", env: { ...env, LUKSMITH_REPORT: "reports", NO_COLOR: "1" } },
  );
  const report = JSON.parse(
    readFileSync(join(outside, "reports/key-manager.toy.json"), "utf8"),
  ) as SuiteReport;
  const text = readFileSync(join(outside, "reports/key-manager.toy.txt"), "utf8");
  return { status, output: stdout + stderr, report, text };
}

beforeAll(() => {
  execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-b", "packages/testkit"], {
    cwd: ROOT,
  });
  for (const name of PACKED) install(name);
  for (const name of Object.keys(manifestOf("core")["dependencies"] ?? {})) {
    if (!name.startsWith("@luksmith/")) link(name, "core");
  }
  link("vitest", "testkit");
  writeFileSync(
    join(outside, "package.json"),
    JSON.stringify({ name: "luksmith-keymgr-toy", version: "3.2.1", type: "module" }),
  );
}, 180_000);

afterAll(() => rmSync(outside, { recursive: true, force: true }));

describe("the packed testkit", () => {
  test("asks for core and vitest as peers, and for nothing of this workspace", () => {
    const { dependencies = {}, peerDependencies = {} } = manifestOf("testkit");
    expect(Object.keys(dependencies)).toEqual([]);
    expect(Object.keys(peerDependencies).toSorted()).toEqual(["@luksmith/core", "vitest"]);
    for (const name of PACKED) {
      const { devDependencies: _dev, ...shipped } = manifestOf(name);
      expect(JSON.stringify(shipped), `in ${name}`).not.toContain("workspace:");
    }
  });

  test("imports nothing but its peers, Node and itself", () => {
    const dist = join(outside, "node_modules/@luksmith/testkit/dist");
    const files = readdirSync(dist, { recursive: true })
      .map(String)
      .filter((file) => file.endsWith(".js"));
    const imported = files.flatMap((file) =>
      [...readFileSync(join(dist, file), "utf8").matchAll(/from "([^"]+)"/g)].map(([, from]) => from ?? ""),
    );
    const foreign = imported.filter(
      (from) => !/^(\.{1,2}\/|node:|@luksmith\/core(\/host)?$|vitest$)/.test(from),
    );
    expect(files.length).toBeGreaterThan(10);
    expect(foreign).toEqual([]);
  });

  test("proves a key manager in somebody else's repository, and says what it has proven", () => {
    const { status, output, report, text } = runSuite(GOOD);
    expect(status, `it said: ${output}`).toBe(0);
    expect(report).toMatchObject({
      format: 1,
      suite: { kind: "key-manager", version: manifestOf("testkit")["version"] },
      subject: "toy",
      plugin: { name: "luksmith-keymgr-toy", version: "3.2.1" },
      core: { version: manifestOf("core")["version"], plugin_api: { current: 1, oldest: 1 } },
      capabilities: { list: true },
      ok: true,
      failed: 0,
      not_run: 0,
    });
    expect(report.skipped).toBeGreaterThan(0);
    expect(report.passed + report.skipped).toBe(report.rules.length);
    for (const { result, reason } of report.rules) expect(result === "skipped").toBe(reason !== undefined);
    expect(output).toContain(text);
  });

  test("fails for one that breaks a rule, and names the rule", () => {
    const { status, output, report, text } = runSuite(FORGETFUL);
    expect(status).toBe(1);
    expect(output).toContain('KM-4 is broken: "deletes the secret it was told to and no other"');
    expect(report.ok).toBe(false);
    expect(report.rules.find(({ id }) => id === "KM-4")).toMatchObject({ result: "failed" });
    expect(text).toContain("key-manager toy: BREAKS THE CONTRACT");
    expect(text).toMatch(/failed {2}KM-4 .*: must fail with EphemeralEncryptionSecretNotFound/);
  });
});
