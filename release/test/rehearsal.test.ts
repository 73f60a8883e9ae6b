import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NpmRegistry, startNpmRegistry } from "@luksmith/testing-services";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { copyWorkspace } from "../src/copy-workspace.ts";
import { noticesOf } from "../src/notices.ts";
import { readManifest, releasedPackages, ROOT } from "../src/packages.ts";
import { provenanceProblems, publish } from "../src/publish.ts";
import { run } from "../src/run.ts";
import { licenceProblems, type Sbom, sbomOf } from "../src/sbom.ts";
import { InstalledAgent } from "./installed-agent.ts";

const ENCRYPTED = { header: expect.stringMatching(/Version:\s+1\b/), inClear: false, left: false };

// One release after the other, as they will come: each step needs the one before.
describe("a release, rehearsed with a real registry", () => {
  let folder: string;
  let workspace: string;
  let prefix: string;
  let registry: NpmRegistry;
  let env: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "luksmith-release-"));
    workspace = join(folder, "workspace");
    prefix = join(folder, "prefix");
    await Promise.all([mkdir(workspace), mkdir(prefix)]);
    registry = await startNpmRegistry({ scope: "@luksmith" });
    env = { NPM_CONFIG_USERCONFIG: registry.userConfig, NPM_CONFIG_CACHE: join(folder, "cache") };
    await copyWorkspace(workspace);
  }, 180_000);

  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  // packages.test.ts does.
  const check = async () => [];
  const versions = () =>
    Object.fromEntries(releasedPackages(workspace).map(({ name, manifest }) => [name, manifest.version]));
  const install = (...names: readonly string[]) =>
    run("npm", ["install", "--global", "--prefix", prefix, "--prefer-offline", ...names], {
      cwd: folder,
      env,
    });
  const changeset = (text: string) => writeFile(join(workspace, ".changeset/rehearsal.md"), text);

  test("versions are raised and change logs written from what waits", async () => {
    await run("changeset", ["version"], { cwd: workspace });
    for (const { name, folder: at, manifest } of releasedPackages(workspace)) {
      expect(`${name} ${manifest.version}`).toMatch(/ 1\.0\.\d+$/);
      expect(await readFile(join(at, "CHANGELOG.md"), "utf8")).toContain(`## ${manifest.version}`);
    }
  }, 120_000);

  test("nothing is published that has a problem", async () => {
    const bad = publish({ root: workspace, provenance: false, env, check: async () => ["a: problem"] });
    await expect(bad).rejects.toThrow("nothing was published:\na: problem");
    await expect(registry.document("@luksmith/core")).rejects.toThrow("404");
  });

  test("provenance is refused where it could not be had", () => {
    const problems = provenanceProblems(workspace, true, {
      ACTIONS_ID_TOKEN_REQUEST_URL: "",
      SIGSTORE_ID_TOKEN: "",
    });
    expect(problems[0]).toContain("--no-provenance");
  });

  test("all packages are published", async () => {
    const said = await publish({ root: workspace, provenance: false, env, check });
    for (const { name, manifest } of releasedPackages(workspace)) {
      expect(said).toContain(`${name}@${manifest.version}`);
      const { "dist-tags": tags, versions: published } = await registry.document(name);
      expect(tags["latest"]).toBe(manifest.version);
      expect(JSON.stringify(published[manifest.version])).not.toContain("workspace:");
    }
  }, 600_000);

  test("the agent and two plugins, by name, in an empty prefix, do the main job", async () => {
    await install("@luksmith/agent", "@luksmith/backend-lvm", "@luksmith/keymgr-barbican");
    await using agent = await InstalledAgent.at(prefix, folder);
    expect(
      await agent.plugins(["@luksmith/backend-raw", "@luksmith/backend-lvm", "@luksmith/keymgr-local"]),
    ).toEqual(["raw", "lvm"]);
    // Each has a core of its own: what they give each other is known by its names, not by its class.
    expect(
      existsSync(join(prefix, "lib/node_modules/@luksmith/backend-lvm/node_modules/@luksmith/core")),
    ).toBe(true);
    const plugins = ["@luksmith/backend-raw", "@luksmith/backend-lvm", "@luksmith/keymgr-local"];
    expect(await agent.mainJob(plugins)).toEqual(ENCRYPTED);
  }, 600_000);

  test("somebody scaffolds, proves, packs, installs and uses a backend, with nothing but the registry", async () => {
    const cwd = join(folder, "outside");
    await mkdir(cwd);
    const name = "luksmith-backend-tape";
    await run("npm", ["create", "--yes", "@luksmith/plugin", name, "--", "--kind", "backend", "--json"], {
      cwd,
      env,
    });
    const plugin = join(cwd, name);
    await run("npm", ["install", "--prefer-offline"], { cwd: plugin, env });
    expect(await run("npm", ["test"], { cwd: plugin, env })).toMatch(/Tests .*passed/);
    await run("npm", ["pack"], { cwd: plugin, env });
    await install(join(plugin, `${name}-0.0.0.tgz`));

    await using agent = await InstalledAgent.at(prefix, folder);
    const seen = await agent.mainJob(
      [name, "@luksmith/keymgr-local"],
      `[libvirt]\nimages_type = tape\n[luksmith:backend-tape]\ndirectory = ${agent.storage}\n`,
    );
    expect(seen).toEqual(ENCRYPTED);
  }, 600_000);

  test("a minor release of core brings no release of a plugin, and goes with the plugins that are there", async () => {
    const before = versions();
    await changeset('---\n"@luksmith/core": minor\n---\n\nA contract that grows.\n');
    await run("changeset", ["version"], { cwd: workspace });
    const unchanged = Object.keys(before).filter((name) => versions()[name] === before[name]);
    const changed = Object.entries(versions()).filter(([name, version]) => before[name] !== version);
    // Those that have core as a dependency, not as a peer, come along with a patch release.
    const programs = new Set(["@luksmith/agent", "@luksmith/libvirt"]);
    expect(changed.map(([name]) => name).filter((name) => !programs.has(name))).toEqual(["@luksmith/core"]);
    expect(versions()["@luksmith/core"]).toMatch(/^1\.1\.0$/);
    const said = await publish({ root: workspace, provenance: false, env, check });
    for (const name of unchanged) expect(said).not.toContain(`${name}@`);

    await install("@luksmith/agent");
    expect(
      readManifest(join(prefix, "lib/node_modules/@luksmith/agent/node_modules/@luksmith/core")).version,
    ).toBe("1.1.0");
    expect(readManifest(join(prefix, "lib/node_modules/@luksmith/backend-lvm")).version).toBe(
      before["@luksmith/backend-lvm"],
    );
    await using agent = await InstalledAgent.at(prefix, folder);
    expect(
      await agent.plugins(["@luksmith/backend-raw", "@luksmith/backend-lvm", "@luksmith/keymgr-local"]),
    ).toEqual(["raw", "lvm"]);
  }, 600_000);

  test("what a host gets has a bill of materials, accepted licences and its notices", async () => {
    const host = join(folder, "host");
    await mkdir(host);
    await writeFile(
      join(host, "package.json"),
      JSON.stringify({ name: "host", version: "1.0.0", private: true }),
    );
    await run("npm", ["install", "--prefer-offline", "@luksmith/agent"], { cwd: host, env });
    const sbom: Sbom = await sbomOf(host, env);
    expect(sbom).toMatchObject({ bomFormat: "CycloneDX" });
    expect(sbom.components.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["@luksmith/core", "fastify", "zod"]),
    );
    expect(JSON.stringify(sbom)).not.toContain("127.0.0.1");
    expect(licenceProblems(sbom)).toEqual([]);
    const notices = noticesOf(join(host, "node_modules"));
    for (const { name, version } of sbom.components.filter((each) => !each.name.startsWith("@luksmith/"))) {
      expect(notices).toContain(`${name} ${version} (`);
    }
    expect(notices).not.toContain("@luksmith/");
  }, 600_000);

  test("a component whose licence nobody accepted is named", () => {
    const components = [
      { name: "odd", version: "1.0.0", purl: "", licenses: [{ license: { id: "SSPL-1.0" } }] },
    ];
    expect(licenceProblems({ bomFormat: "CycloneDX", specVersion: "1.5", components })).toEqual([
      "odd@1.0.0: SSPL-1.0",
    ]);
  });

  test("the checkout is as it was", async () => {
    expect(existsSync(join(ROOT, ".changeset/rehearsal.md"))).toBe(false);
    expect(new Set(releasedPackages().map(({ manifest }) => manifest.version))).toEqual(new Set(["0.0.0"]));
  });
});
