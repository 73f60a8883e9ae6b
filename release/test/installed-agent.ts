import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../src/packages.ts";

const CANARY = "the release's canary must not be on the storage in clear";
const REQUEST = join(ROOT, "examples/encrypted-server.json");

/** The backend of LVM wants a group as soon as it is loaded, not that there is one. */
const RAW = "[libvirt]\nimages_type = raw\nimages_volume_group = none\n";

/** What others saw of a disk. */
export interface Seen {
  /** As cryptsetup describes it. */
  readonly header: string;
  readonly inClear: boolean;
  /** Whether anything of it was left after its end. */
  readonly left: boolean;
}

/** An agent as npm has installed it, with a host of its own. */
export class InstalledAgent implements AsyncDisposable {
  readonly #bin: string;
  readonly #folder: string;

  private constructor(bin: string, folder: string) {
    this.#bin = bin;
    this.#folder = folder;
  }

  /** @param prefix - what `npm install --global --prefix` was given */
  static async at(prefix: string, parent: string): Promise<InstalledAgent> {
    const folder = await mkdtemp(join(parent, "host-"));
    for (const name of ["instances", "images", "state", "storage"])
      await mkdir(join(folder, name), { mode: 0o700 });
    return new InstalledAgent(join(prefix, "bin/luksmith"), folder);
  }

  /** @returns the backends that these packages bring */
  async plugins(names: readonly string[]): Promise<readonly string[]> {
    await this.#configure(names, RAW);
    const { backends } = await this.#json<{ backends: readonly { name: string }[] }>("plugins", "list");
    return backends.map(({ name }) => name);
  }

  /** Where a backend of others may keep disks. */
  get storage(): string {
    return join(this.#folder, "storage");
  }

  /** Makes the disks of the example's server from an image, looks at the first as others see it, verifies and removes them. */
  async mainJob(plugins: readonly string[], options = RAW): Promise<Seen> {
    await this.#configure(plugins, options);
    const { id: server, image } = await exampleRequest();
    const source = Buffer.alloc(64 * 1024 * 1024);
    source.write(CANARY, 4096);
    await writeFile(join(this.#folder, "images", image), source);
    const { disks } = await this.#json<{ disks: readonly { path: string }[] }>("create", "-f", REQUEST);
    const path = disks[0]?.path ?? "";
    const inClear = (await readFile(path)).includes(CANARY);
    const { stdout: header } = await promisify(execFile)("/sbin/cryptsetup", ["luksDump", path]);
    await this.#json("verify", server);
    await this.#json("delete", server);
    const left = existsSync(path) || JSON.stringify(await this.#json("list")).includes(server);
    return { header, inClear, left };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #configure(plugins: readonly string[], options: string): Promise<void> {
    const at = (name: string) => join(this.#folder, name);
    await writeFile(
      at("luksmith.conf"),
      `[DEFAULT]\ninstances_path = ${at("instances")}\n${options}\n` +
        `[luksmith]\nstate_path = ${at("state")}\nimages_path = ${at("images")}\nplugins = ${plugins.join(", ")}\n`,
    );
  }

  async #json<Result>(...args: readonly string[]): Promise<Result> {
    const config = join(this.#folder, "luksmith.conf");
    // The workspace's own Node, by its path: the program names whichever is first.
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [this.#bin, "--config-file", config, "--json", ...args],
      { cwd: this.#folder },
    );
    return JSON.parse(stdout) as Result;
  }
}

/** The example's request, its server, and the image it wants. */
export async function exampleRequest(): Promise<{ id: string; image: string; request: string }> {
  const request = await readFile(REQUEST, "utf8");
  const { server } = JSON.parse(request) as { server: { id: string; image: { id: string } } };
  return { id: server.id, image: server.image.id, request };
}
