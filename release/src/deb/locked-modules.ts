import { cp, mkdir, readdir, realpath, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pack } from "../pack.ts";
import { type Manifest, readManifest, type ReleasedPackage } from "../packages.ts";
import { run } from "../run.ts";

/** For compilers, debuggers and readers, not for a host: sources, settings of tools, pages. */
const LEFT_OUT = /(?:^|\/)\.[^/]*$|\.(?:map|[cm]?ts|tsbuildinfo|html|sh)$/;
/** Folders of a package that it does not load, if they stand at its top. */
const UNUSED = new Set([
  "test",
  "tests",
  "spec",
  "docs",
  "examples",
  "benchmark",
  "benchmarks",
  "integration",
  "scripts",
]);

interface Placed {
  /** Where it comes from, without links. */
  readonly from: string;
  readonly to: string;
}

/**
 * A `node_modules` as npm would lay it out: ours from packed tarballs, those of others as they are installed in the checkout, hence
 * of the versions, and with the contents, that pnpm-lock.yaml has. Needs no registry; the same lock file gives the same files.
 */
export class LockedModules {
  readonly #modules: string;
  readonly #placed = new Map<string, Placed>();

  constructor(modules: string) {
    this.#modules = modules;
  }

  /** @param ours everything that is needed of this repository, itself included */
  async place(ours: readonly ReleasedPackage[], tarballs: string): Promise<void> {
    for (const each of ours) {
      const to = join(this.#modules, each.name);
      await mkdir(to, { recursive: true });
      await run("tar", ["-xzf", await packOnce(each, tarballs), "-C", to, "--strip-components=1"], {
        cwd: tarballs,
      });
      await withoutLeftOut(to);
    }
    const names = new Set(ours.map(({ name }) => name));
    for (const { name, folder, manifest } of ours) {
      await this.#placeNeeded(folder, manifest, join(this.#modules, name), names);
    }
  }

  async #placeNeeded(
    folder: string,
    manifest: Manifest,
    at: string,
    ours: ReadonlySet<string>,
  ): Promise<void> {
    const needed = {
      ...manifest.peerDependencies,
      ...manifest.optionalDependencies,
      ...manifest.dependencies,
    };
    for (const name of Object.keys(needed).toSorted()) {
      if (ours.has(name)) continue;
      if (name.startsWith("@luksmith/"))
        throw new Error(`${manifest.name} needs ${name}, which is not in the package`);
      const from = await installed(folder, name);
      if (from !== undefined) await this.#placeOne(name, from, at, ours);
      else if (manifest.dependencies?.[name])
        throw new Error(`${manifest.name} needs ${name}, which is not installed`);
    }
  }

  /** As high as nothing of another version stands; else below the one that needs it. */
  async #placeOne(name: string, from: string, needer: string, ours: ReadonlySet<string>): Promise<void> {
    const seen = this.#seenFrom(name, needer);
    if (seen?.from === from) return;
    const to = join(seen ? join(needer, "node_modules") : this.#modules, name);
    this.#placed.set(to, { from, to });
    await cp(from, to, { recursive: true, filter: (path) => isUsed(path, from) });
    await this.#placeNeeded(from, readManifest(from), to, ours);
  }

  /** What Node would find. */
  #seenFrom(name: string, needer: string): Placed | undefined {
    for (let at = needer; at.startsWith(this.#modules); at = dirname(at)) {
      const found = this.#placed.get(join(at, "node_modules", name));
      if (found) return found;
    }
    return this.#placed.get(join(this.#modules, name));
  }
}

/** What is needed of `all` by those that are named. */
export function closure(
  all: readonly ReleasedPackage[],
  names: readonly string[],
): readonly ReleasedPackage[] {
  const found = new Set<ReleasedPackage>();
  const add = (name: string): void => {
    const each = all.find((one) => one.name === name);
    if (!each) throw new Error(`${name} is not a package that is released`);
    if (found.has(each)) return;
    found.add(each);
    const { dependencies = {}, peerDependencies = {} } = each.manifest;
    for (const other of Object.keys({ ...dependencies, ...peerDependencies })) {
      if (other.startsWith("@luksmith/")) add(other);
    }
  };
  for (const name of names) add(name);
  return [...found].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

async function packOnce(each: ReleasedPackage, tarballs: string): Promise<string> {
  const start = `${each.name.slice(1).replace("/", "-")}-${each.manifest.version}.tgz`;
  const there = (await readdir(tarballs)).includes(start);
  return there ? join(tarballs, start) : await pack(each, tarballs);
}

async function installed(folder: string, name: string): Promise<string | undefined> {
  const places = [join(folder, "node_modules")];
  // A package of ours has links to others', and one of others' has those it needs beside it.
  const beside = folder.lastIndexOf("/node_modules/");
  if (beside >= 0) places.push(join(folder.slice(0, beside), "node_modules"));
  for (const modules of places) {
    const found = await realpath(join(modules, name)).catch(() => undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Packages below it are looked for like any others. */
function isUsed(path: string, from: string): boolean {
  const inside = path.slice(from.length + 1);
  return !LEFT_OUT.test(inside) && !UNUSED.has(inside) && basename(inside) !== "node_modules";
}

async function withoutLeftOut(folder: string): Promise<void> {
  for (const name of await readdir(folder, { recursive: true })) {
    if (LEFT_OUT.test(name)) await rm(join(folder, name));
  }
}
