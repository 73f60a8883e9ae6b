import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { execa } from "execa";

const ROOT = resolve(import.meta.dirname, "../../..");
/** Installed nowhere for the plugins: what they would do with it is not tested here. */
const LEFT_OUT = ["@changesets/cli"];
/** What package managers are told of the machine; nothing of the test runner that this runs in. */
const PASSED =
  /^(?:HOME|TMPDIR|XDG_\w+|npm_config_\w+|(?:https?|no|all)_proxy|SSL_CERT_\w+|NODE_EXTRA_CA_CERTS)$/i;

export interface TestReport {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

/**
 * A folder as somebody outside would have it: plugins in their own folders, and everything of ours as packed tarballs, with what
 * those ask for from the package manager's store. One for all tests of such plugins: it takes seconds to make.
 */
export class OutsideWorkspace implements AsyncDisposable {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async make(): Promise<OutsideWorkspace> {
    const workspace = new OutsideWorkspace(await mkdtemp(join(tmpdir(), "luksmith-outside-")));
    await mkdir(workspace.#in("plugins"));
    await workspace.#pack();
    return workspace;
  }

  /** A plugin's folder. */
  folder(name: string): string {
    return this.#in("plugins", name);
  }

  /** Takes an example of this repository as it is in git: without what was installed or built in it. */
  async addExample(name: string): Promise<void> {
    const from = join(ROOT, "examples", name);
    const filter = (path: string): boolean => !["node_modules", "dist"].includes(basename(path));
    await cp(from, this.folder(name), { recursive: true, filter });
  }

  /** Calls the packed generator. */
  async scaffold(folder: string, ...args: string[]): Promise<Record<string, unknown>> {
    const main = this.#in("create-plugin/package/dist/main.js");
    const { stdout } = await this.run(process.execPath, [main, this.folder(folder), ...args, "--json"]);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** Once, when all plugins are there. */
  async install(): Promise<void> {
    const tarballs = await readdir(this.#in("tarballs"));
    const ours = tarballs.map((file) => {
      const name = /^luksmith-(.*)-\d+\.\d+\.\d+.*\.tgz$/.exec(file)?.[1];
      return [`@luksmith/${name}`, `file:${this.#in("tarballs", file)}`];
    });
    const overrides = Object.fromEntries([...ours, ...LEFT_OUT.map((name) => [name, "-"])]);
    const plugins = await Promise.all(
      (await readdir(this.#in("plugins"))).map(async (folder) => (await this.manifest(folder)).name),
    );
    const links = plugins.map((name) => [name, "workspace:*"]);
    const dependencies = { "@luksmith/agent": "*", ...Object.fromEntries(links) };
    const manifest = { name: "outside", private: true, dependencies };
    await writeFile(this.#in("package.json"), JSON.stringify(manifest));
    // JSON is YAML. Flat, as npm installs: the agent finds plugins beside itself.
    const settings = { packages: ["plugins/*"], nodeLinker: "hoisted", overrides };
    await writeFile(this.#in("pnpm-workspace.yaml"), JSON.stringify(settings));
    // The same versions of what others have made as in the repository, which are in the store.
    await cp(join(ROOT, "pnpm-lock.yaml"), this.#in("pnpm-lock.yaml"));
    await this.#pnpm(["install", "--prefer-offline", "--no-frozen-lockfile", "--ignore-scripts"], this.root);
  }

  async manifest(folder: string): Promise<{ readonly name: string }> {
    return JSON.parse(await readFile(join(this.folder(folder), "package.json"), "utf8")) as { name: string };
  }

  /** `npm test`, as its author runs it. */
  async test(
    folder: string,
    env: Record<string, string> = {},
    before: readonly string[] = [],
  ): Promise<TestReport> {
    const report = join(this.folder(folder), "report.json");
    const command = [...before, "npm", "test", "--", "--reporter=json", `--outputFile=${report}`];
    const [file = "", ...args] = command;
    const { stdout, stderr } = await this.run(file, args, { cwd: this.folder(folder), env, reject: false });
    const text = await readFile(report, "utf8").catch(() => {
      throw new Error(`npm test in ${folder} came to no report:\n${stdout}\n${stderr}`);
    });
    return readReport(JSON.parse(text) as JsonReport);
  }

  /** Packs a plugin, and puts what is in the tarball where the agent finds it, instead of its folder. */
  async installPacked(folder: string): Promise<readonly string[]> {
    const cwd = this.folder(folder);
    const { name } = await this.manifest(folder);
    await this.run("npm", ["run", "build"], { cwd });
    // Its scripts would talk into the JSON.
    const { stdout } = await this.run("npm", ["pack", "--json", "--ignore-scripts"], { cwd });
    const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
    const target = this.#in("node_modules", name);
    await rm(target, { recursive: true });
    await mkdir(target);
    await this.run("tar", ["-xzf", join(cwd, packed.filename), "--strip-components=1", "-C", target]);
    return packed.files.map(({ path }) => path);
  }

  /** With the workspace's Node first; nothing of the repository is in the environment. */
  run(
    file: string,
    args: readonly string[],
    options: { cwd?: string; env?: Record<string, string>; reject?: boolean } = {},
  ) {
    const PATH = `${dirname(process.execPath)}:${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin`;
    const passed = Object.entries(process.env).filter(([name]) => PASSED.test(name));
    return execa(file, args, {
      cwd: this.root,
      reject: true,
      ...options,
      extendEnv: false,
      env: { ...Object.fromEntries(passed), PATH, NO_UPDATE_NOTIFIER: "1", ...options.env },
      stdin: "ignore",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  async #pack(): Promise<void> {
    if (!existsSync(join(ROOT, "apps/agent/dist/index.js"))) throw new Error("build first: npx pnpm build");
    const wanted = [
      "--filter-prod=@luksmith/agent...",
      "--filter-prod=@luksmith/testkit",
      "--filter-prod=@luksmith/create-plugin",
    ];
    await this.#pnpm(["--recursive", ...wanted, "pack", "--pack-destination", this.#in("tarballs")], ROOT);
    const generator = (await readdir(this.#in("tarballs"))).find((file) =>
      file.startsWith("luksmith-create-plugin-"),
    );
    await mkdir(this.#in("create-plugin"));
    await this.run("tar", ["-xzf", this.#in("tarballs", generator ?? ""), "-C", this.#in("create-plugin")]);
  }

  async #pnpm(args: readonly string[], cwd: string): Promise<void> {
    await this.run(process.execPath, [join(ROOT, "node_modules/pnpm/bin/pnpm.cjs"), ...args], { cwd });
  }

  #in(...names: readonly string[]): string {
    return join(this.root, ...names);
  }
}

interface JsonReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: string[];
    }[];
  }[];
}

function readReport({ testResults }: JsonReport): TestReport {
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = all.filter(({ status }) => status === "failed");
  // A file that could not be loaded has no tests.
  const broken = testResults.filter(({ assertionResults }) => assertionResults.length === 0);
  return {
    passed: all.filter(({ status }) => status === "passed").length,
    failed: [
      ...failed.map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages.join("\n")}`),
      ...broken.map(({ name, message }) => `${name}: ${message}`),
    ],
    skipped: all
      .filter(({ status }) => !["passed", "failed"].includes(status))
      .map(({ fullName }) => fullName),
  };
}
