import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How long npm's own program, which loads some hundred files, may take to listen on a busy machine. */
const START_TIMEOUT_MS = 120_000;

/** A registry that has what is published to it, and hands on what others published elsewhere. */
export class NpmRegistry implements AsyncDisposable {
  /** `http://127.0.0.1:PORT/` */
  readonly url: string;
  /** An npmrc with this registry and a user who may publish; for `NPM_CONFIG_USERCONFIG`. */
  readonly userConfig: string;
  readonly #directory: string;
  readonly #child: ChildProcess;

  constructor(url: string, directory: string, child: ChildProcess) {
    this.url = url;
    this.userConfig = join(directory, "npmrc");
    this.#directory = directory;
    this.#child = child;
  }

  /** The document of a package as npm reads it. @throws if there is none */
  async document(name: string): Promise<PackageDocument> {
    const response = await fetch(new URL(name.replace("/", "%2f"), this.url));
    if (!response.ok) throw new Error(`${name}: ${response.status} ${await response.text()}`);
    return (await response.json()) as PackageDocument;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, "exit");
      this.#child.kill();
      await exited;
    }
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** The part that tests look at. */
export interface PackageDocument {
  readonly "dist-tags": Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * Starts a real npm registry (Verdaccio) on loopback with nothing in it. Packages of `scope` are only what is published here; all
 * others come from the registry that npm is configured with, so that a host can install what it would install.
 */
export async function startNpmRegistry({ scope }: { scope: string }): Promise<NpmRegistry> {
  const directory = await mkdtemp(join(tmpdir(), "luksmith-registry-"));
  const child = fork(
    join(import.meta.dirname, "serve.ts"),
    [JSON.stringify(configuration(directory, scope))],
    {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    },
  );
  let said = "";
  child.stderr?.on("data", (data: Buffer) => (said += data.toString()));
  try {
    const signal = AbortSignal.timeout(START_TIMEOUT_MS);
    const ended = once(child, "exit", { signal }).then(() => Promise.reject(new Error(`it ended: ${said}`)));
    ended.catch(() => undefined);
    const [message] = (await Promise.race([once(child, "message", { signal }), ended])) as [{ port: number }];
    const registry = new NpmRegistry(`http://127.0.0.1:${message.port}/`, directory, child);
    await writeFile(registry.userConfig, await npmrc(registry.url));
    return registry;
  } catch (error) {
    child.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
    throw new Error(`the npm registry did not start: ${String(error)}`, { cause: error });
  }
}

function configuration(directory: string, scope: string): object {
  const { stdout } = spawnSync("npm", ["config", "get", "registry"], { encoding: "utf8", cwd: tmpdir() });
  return {
    storage: join(directory, "storage"),
    self_path: directory,
    auth: { htpasswd: { file: join(directory, "htpasswd") } },
    uplinks: { elsewhere: { url: stdout.trim(), maxage: "60m" } },
    packages: {
      [`${scope}/*`]: { access: "$all", publish: "$authenticated", unpublish: false },
      "**": { access: "$all", proxy: "elsewhere" },
    },
    log: { type: "stdout", format: "json", level: "warn" },
    web: { enable: false },
  };
}

/** Makes a user there, as `npm adduser` does. */
async function npmrc(url: string): Promise<string> {
  const user = { name: "maintainer", password: "only on loopback" };
  const response = await fetch(new URL("-/user/org.couchdb.user:maintainer", url), {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(user),
  });
  const { token } = (await response.json()) as { token: string };
  return `registry=${url}\n//${new URL(url).host}/:_authToken=${token}\nupdate-notifier=false\nfund=false\naudit=false\n`;
}
