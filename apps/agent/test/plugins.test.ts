import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { PluginDetail, PluginReport } from "@luksmith/core/host";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { MemoryIo } from "./memory-io.ts";
import { TemporaryHost } from "./temporary-host.ts";

const BUNDLED = "@luksmith/backend-raw, @luksmith/keymgr-local";

let host: TemporaryHost;
beforeAll(async () => void (host = await TemporaryHost.create()));
beforeEach(() => rmSync(join(host.path, "plugins"), { recursive: true, force: true }));
afterAll(() => host[Symbol.asyncDispose]());

/** A plugin without imports, so that it needs nothing beside it. */
const SOURCE = (extra = "", members = ""): string => `${extra}
export default {
  $type: "luksmith.plugin",
  name: "acme",
  apiVersion: 1,
  config: { "~standard": { version: 1, vendor: "acme", validate: (value) => ({ value }) } },
  register(registrar) {},
  ${members}
};
`;

const BACKEND = (name: string): string => `register(registrar) {
  const capabilities = { formats: ["raw"], encryption: ["luks"], resize: true, snapshot: [], overlays: false };
  registrar.contribute({ id: "luksmith.image-backends", many: true }, () => ({ name: "${name}", capabilities, image() {} }));
},`;

/** Writes a package and returns the path of its module, as `[luksmith] plugins` takes it. */
function plugin(source: string, name = "acme"): string {
  const folder = join(host.path, "plugins", name);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const path = join(folder, "index.js");
  write(join(folder, "package.json"), JSON.stringify({ name, version: "1.2.3", type: "module" }));
  write(path, source);
  return path;
}

/** The agent as a process of its own. */
function luksmith(argv: readonly string[]): SpawnSyncReturns<string> {
  const main = join(import.meta.dirname, "../src/main.ts");
  const args = ["--conditions=luksmith-source", main, "--config-file", host.configFile, ...argv];
  return spawnSync(process.execPath, args, { timeout: 60_000, encoding: "utf8" });
}

/** Whatever the umask: writable by the owner only. */
function write(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o644);
  chmodSync(dirname(path), 0o755);
}

/** What others get wrong: code before the plugin, members instead of its own, and what is said about it. */
const BROKEN: readonly (readonly [what: string, extra: string, members: string, says: RegExp])[] = [
  ["throws when it is imported", `throw new Error("boom");`, "", /cannot be loaded: boom/],
  ["is no JavaScript", "{{{", "", /cannot be loaded: /],
  ["ends the process", "process.exit(3);", "", /ends the process when it is loaded \(code 3\)/],
  [
    "fails outside of any call",
    `setImmediate(() => { throw new Error("later"); }); await new Promise((resolve) => setTimeout(resolve, 1000));`,
    "",
    /fails outside of any call: Error: later/,
  ],
  [
    "throws when it registers",
    "",
    `register() { throw new Error("boom"); },`,
    /failed while registering: Error: boom/,
  ],
  ["registers asynchronously", "", "async register() {},", /its register is asynchronous/],
  ["is of another API", "", "apiVersion: 7,", /made for plugin API 7, this host has 1 and accepts 1 only/],
  [
    "provides the key manager, which is there",
    "",
    `register(registrar) { registrar.provide({ id: "luksmith.key-manager" }, () => ({})); },`,
    /two plugins provide luksmith.key-manager: @luksmith\/keymgr-local and /,
  ],
  [
    "provides something twice",
    "",
    `register(registrar) { for (const n of [1, 2]) registrar.provide({ id: "acme" }, () => n); },`,
    /provides acme twice/,
  ],
  [
    "provides no backend under its name",
    "",
    `register(registrar) { registrar.contribute({ id: "luksmith.image-backends", many: true }, () => 7); },`,
    /is not usable: its image-backend is no object/,
  ],
  [
    "is of a name that is taken",
    "",
    `name: "keymgr-local",`,
    /plugin keymgr-local is configured twice \(@luksmith\/keymgr-local and /,
  ],
];

interface Checked {
  readonly exitCode: number;
  readonly report: PluginReport;
  readonly detail: PluginDetail | undefined;
}

async function check(paths: string | readonly string[], ...lines: readonly string[]): Promise<Checked> {
  const [path] = [paths].flat();
  await host.configure(`plugins = ${[BUNDLED, ...[paths].flat()].join(", ")}`, ...lines);
  const { exitCode, out, err } = await host.run(["plugins", "check", "--json"]);
  if (!out) throw new Error(err);
  const report = JSON.parse(out) as PluginReport;
  return { exitCode, report, detail: report.details.find((each) => each.plugin === path) };
}

describe("plugins check", () => {
  test("says of each plugin what it is and what it provides", async () => {
    const { exitCode, report, detail } = await check(plugin(SOURCE("", BACKEND("acme"))));
    expect(exitCode).toBe(0);
    expect(report).toMatchObject({
      ok: true,
      core: { plugin_api: { current: 1, oldest: 1 } },
      key_manager: "local",
      problems: [],
      warnings: [],
    });
    expect(detail).toMatchObject({
      name: "acme",
      package: "acme",
      version: "1.2.3",
      api_version: 1,
      config_section: "luksmith:acme",
      provides: [{ kind: "image-backend", name: "acme", capabilities: { formats: ["raw"] } }],
      files: "safe",
      warnings: [],
      error: null,
    });
    const { out } = await host.run(["plugins", "check"]);
    expect(out).toContain(
      "  package  acme 1.2.3\n  plugin   acme, made for plugin API 1, section [luksmith:acme]\n",
    );
  });

  test.each([
    ["import never ends", "await new Promise(() => {});", /did not end loading within 1 s/],
    ["import keeps the thread", "for (;;);", /did not end loading within 1 s/],
    ["import keeps the thread later", "await null; for (;;);", /never comes back \(import, after 3 s\)/],
  ])("gives up one whose %s", async (_, extra, says) => {
    const path = plugin(SOURCE(extra));
    // Alone: what else is loaded may take longer than a second here.
    await host.configure("plugin_timeout = 1");
    const { exitCode, out } = await host.run(["plugins", "check", path, "--json"]);
    expect(exitCode).toBe(78);
    expect((JSON.parse(out) as PluginReport).details[0]?.error?.message).toMatch(says);
  });

  test("names both plugins that provide one backend", async () => {
    const { exitCode, report } = await check(plugin(SOURCE("", BACKEND("raw"))));
    expect(exitCode).toBe(78);
    expect(report.problems[0]?.message).toMatch(
      /two plugins provide the image backend raw: @luksmith\/backend-raw and .*acme\/index.js; configure only one/,
    );
  });

  test("says what a plugin does that it should not, and ends all the same", async () => {
    const { exitCode, detail } = await check(
      plugin(SOURCE(`console.log("hello"); setInterval(() => {}, 1000);`)),
    );
    expect(exitCode).toBe(0);
    expect(detail?.warnings).toEqual([
      expect.stringMatching(/starts something that does not end when it is loaded: Timeout/),
      String.raw`it prints when it is loaded: "hello\n"`,
    ]);
  });

  test("says which section is read by nobody", async () => {
    const { report } = await check(plugin(SOURCE()), "[luksmith:acmee]", "size = 1");
    expect(report.warnings).toEqual([
      "[luksmith:acmee] is read by no configured plugin; did you mean [luksmith:acme]?",
    ]);
  });

  test("looks at one that is not configured yet, alone", async () => {
    await host.configure(`plugins = ${BUNDLED}`);
    const good = plugin(SOURCE("", BACKEND("acme")), "acme");
    expect((await host.run(["plugins", "check", good])).exitCode).toBe(0);
    expect((await host.run(["plugins", "check", "@acme/not-there"])).exitCode).toBe(78);
    const { exitCode, out } = await host.run(["plugins", "check", "@luksmith/keymgr-local", "--json"]);
    expect([exitCode, (JSON.parse(out) as PluginReport).details.length]).toEqual([0, 1]);
  });

  test("says in which line of which file an option of a plugin's own is wrong", async () => {
    await host.configure("plugins = @luksmith/backend-lvm", "[luksmith:backend-lvm]", "thin_poool = x");
    const { out } = await host.run(["plugins", "check"]);
    expect(out).toMatch(/\[luksmith:backend-lvm\]: Unrecognized key: "thin_poool" \(.*luksmith\.conf:\d+\)/);
  });
});

describe("of many that are broken", () => {
  let checked: Checked;
  beforeAll(async () => {
    const paths = BROKEN.map(([, extra, members], index) =>
      plugin(SOURCE(extra, `name: "acme-${index}", ${members}`), `acme-${index}`),
    );
    checked = await check(paths);
  });

  test.each(BROKEN.map(([what, , , says], index) => ({ what, says, index })))(
    "the one that $what is named",
    ({ says, index }) => {
      const detail = checked.report.details.find(({ plugin: path }) => path.includes(`/acme-${index}/`));
      expect(detail?.error?.message).toMatch(says);
      expect(detail?.error?.message).toContain(`/acme-${index}/index.js`);
    },
  );

  test("none keeps the others from being looked at", () => {
    const [raw, local] = checked.report.details;
    expect([raw?.error, local?.error]).toEqual([null, null]);
    expect(checked.exitCode).toBe(78);
    expect(checked.report).toMatchObject({ ok: false, key_manager: "local" });
    expect(checked.report.details).toHaveLength(BROKEN.length + 2);
  });
});

describe("a plugin's files", () => {
  const CHANGES = [
    ["acme-0/index.js", 0o666],
    ["acme-1", 0o777],
    ["acme-2/other.js", 0o664],
  ] as const;

  test("are refused when somebody else can change the module, its folder, or what it imports", async () => {
    const paths = [0, 1, 2, 3].map((index) => {
      const path = plugin(SOURCE(`import "./other.js";`, `name: "acme-${index}",`), `acme-${index}`);
      write(join(dirname(path), "other.js"), "");
      return path;
    });
    for (const [changed, mode] of CHANGES) chmodSync(join(host.path, "plugins", changed), mode);
    const { exitCode, report } = await check(paths);
    expect(exitCode).toBe(78);
    const details = report.details.slice(2);
    expect(details.map(({ files }) => files)).toEqual(["unsafe", "unsafe", "unsafe", "safe"]);
    for (const [index, [changed]] of CHANGES.entries()) {
      expect(details[index]?.error).toMatchObject({
        code: "PluginUnsafe",
        message: expect.stringContaining(`${join(host.path, "plugins", changed)} can be changed by`),
      });
    }
    const off = await check(paths, "plugins_require_safe_files = false");
    expect([off.exitCode, off.detail?.files]).toEqual([0, "not-checked"]);
  });

  test("are looked at by commands that load plugins, before anything runs", async () => {
    const path = plugin(SOURCE(`globalThis.acmeRan = true;`));
    chmodSync(path, 0o666);
    await host.configure(`plugins = ${BUNDLED}, ${path}`);
    const io = new MemoryIo({ cwd: host.path, stdin: JSON.stringify(host.request()) });
    const { exitCode, err } = await host.run(["create", "-f", "-"], io);
    expect([exitCode, err]).toEqual([78, expect.stringContaining("luksmith: PluginUnsafe: ")]);
    expect(Reflect.get(globalThis, "acmeRan")).toBeUndefined();
  });
});

test("[luksmith] plugins_allowed lets in what it names, in any version or in the one that it names", async () => {
  const paths = [0, 1, 2, 3].map((index) => plugin(SOURCE("", `name: "acme-${index}",`), `acme-${index}`));
  const [any, same, other, none] = paths;
  const allowed = `plugins_allowed = ${BUNDLED}, ${any}, ${same}@1.2.3, ${other}@1.2.4`;
  const { exitCode, report } = await check(paths, allowed);
  expect(exitCode).toBe(78);
  const errors = report.details.slice(2).map(({ error }) => error);
  expect(errors.slice(0, 2)).toEqual([null, null]);
  expect(errors.slice(2).map((error) => error?.code)).toEqual(["PluginNotAllowed", "PluginNotAllowed"]);
  expect(errors[2]?.message).toContain(
    `it is of version 1.2.3, and [luksmith] plugins_allowed has ${other}@1.2.4`,
  );
  expect(errors[3]?.message).toContain(
    `plugin ${none} may not be loaded: [luksmith] plugins_allowed does not have it`,
  );
});

describe("without a plugin that is configured", () => {
  test("what needs none of them works, and the others say which it is", async () => {
    await host.configure(`plugins = ${BUNDLED}`);
    const { uuid } = await host.json<{ uuid: string }>(["create", "-f", "-"], host.request());
    const path = plugin(SOURCE(`throw new Error("boom");`));
    await host.configure(`plugins = ${BUNDLED}, ${path}`);
    for (const argv of [
      ["list"],
      ["show", uuid],
      ["config", "show"],
      ["inspect", `instances/${uuid}/disk`],
    ]) {
      expect((await host.run(argv)).exitCode, `luksmith ${argv.join(" ")}`).toBe(0);
    }
    const verify = await host.run(["verify", uuid]);
    expect([verify.exitCode, verify.err]).toEqual([
      78,
      expect.stringContaining(`${path} cannot be loaded: boom`),
    ]);
    const list = await host.run(["plugins", "list"]);
    expect(list.exitCode).toBe(78);
    expect(list.out).toMatch(/@luksmith\/backend-raw +\S+ +1 +image-backend raw\n/);
    expect(list.out).toContain("NOT LOADED (PluginNotLoadable)");
    expect(list.err).toContain("luksmith: PluginNotLoadable: ");
  });

  test.each([
    ["itself", "for (;;);", ""],
    ["something that it imports", `import "./other.js";`, "for (;;);"],
  ])("a command ends although %s never ends when it is loaded", async (_, extra, other) => {
    const path = plugin(SOURCE(extra));
    write(join(dirname(path), "other.js"), other);
    await host.configure(`plugins = ${BUNDLED}, ${path}`, "plugin_timeout = 5");
    const { status, stderr } = luksmith(["verify"]);
    expect([status, stderr]).toEqual([
      78,
      expect.stringContaining(`plugin ${path} did not end loading within 5 s`),
    ]);
  });

  test("a plugin's code runs once", async () => {
    const path = plugin(SOURCE(`console.error("acme runs");`));
    await host.configure(`plugins = ${BUNDLED}, ${path}`);
    const { status, stderr } = luksmith(["verify"]);
    expect([status, stderr.split("acme runs").length - 1]).toEqual([0, 1]);
  });

  test("a command ends although a plugin leaves something running", async () => {
    const path = plugin(
      SOURCE(
        `import { createServer } from "node:net"; setInterval(() => {}, 1000); createServer().listen(0, "127.0.0.1");`,
      ),
    );
    await host.configure(`plugins = ${BUNDLED}, ${path}`);
    for (const argv of [["verify"], ["plugins", "check"]]) {
      const { status, signal } = luksmith(argv);
      expect([status, signal], `luksmith ${argv.join(" ")}`).toEqual([0, null]);
    }
  });
});
