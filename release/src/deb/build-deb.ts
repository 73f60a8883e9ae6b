import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readManifest, releasedPackages, ROOT } from "../packages.ts";
import { run } from "../run.ts";
import { CONFIG_FILE, FILES, LIBRARY, put, putDocuments, putFiles, putManuals } from "./contents.ts";
import { closure, LockedModules } from "./locked-modules.ts";
import { normalise, sourceDate } from "./tree-time.ts";

/** What is loaded on a host if it is asked for; the rest are what these need. */
const CARRIED = [
  "agent",
  "backend-raw",
  "backend-qcow2",
  "backend-lvm",
  "backend-rbd",
  "keymgr-local",
  "keymgr-barbican",
  "images-glance",
  "traits-placement",
  "legacy-dmcrypt",
].map((name) => `@luksmith/${name}`);
/** The one that the workspace pins, whichever runs this. */
const NODE = join(ROOT, "node_modules/node");
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

export interface BuildDebOptions {
  /** Debian's; the agent's own if not given. */
  readonly version?: string;
  /** Gets the package. */
  readonly output: string;
  /** As dpkg-deb has it. `none` is for tests: to compress Node takes a minute. */
  readonly compression?: "xz" | "none";
  /** Keeps packed tarballs for the next time; a folder of its own if not given. */
  readonly tarballs?: string;
}

/** Builds `luksmith-agent_VERSION_ARCHITECTURE.deb` of what is built in the checkout; the same bytes of the same commit. @returns its path */
export async function buildDeb(options: BuildDebOptions): Promise<string> {
  const { version = readManifest(join(ROOT, "apps/agent")).version, output, compression = "xz" } = options;
  const architecture = ARCHITECTURES[process.arch];
  if (!architecture) throw new Error(`Debian's name of the architecture ${process.arch} is not known here`);
  const seconds = await sourceDate(ROOT);
  const by = process.env["DEBEMAIL"] ?? "luksmith@localhost";
  const maintainer = `${process.env["DEBFULLNAME"] ?? "The Luksmith authors"} <${by}>`;
  const scratch = await mkdtemp(join(tmpdir(), "luksmith-deb-"));
  try {
    const tree = join(scratch, "tree");
    const tarballs = options.tarballs ?? join(scratch, "tarballs");
    await mkdir(tarballs, { recursive: true });
    await putProgram(tree, tarballs);
    await putFiles(tree);
    await putManuals(tree, seconds);
    await putDocuments(tree, { version, maintainer, node: readManifest(NODE).version, seconds });
    await normalise(tree, seconds);
    await putControl(tree, { version, architecture, maintainer });
    await normalise(join(tree, "DEBIAN"), seconds);
    await mkdir(output, { recursive: true });
    const deb = resolve(output, `luksmith-agent_${version}_${architecture}.deb`);
    const made = join(scratch, "made.deb");
    await run("dpkg-deb", ["--root-owner-group", `-Z${compression}`, "--build", tree, made], {
      cwd: scratch,
      env: { SOURCE_DATE_EPOCH: String(seconds) },
    });
    // Half a package has no package's name.
    await copyFile(made, `${deb}.part`);
    await rename(`${deb}.part`, deb);
    return deb;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function putProgram(tree: string, tarballs: string): Promise<void> {
  const library = join(tree, LIBRARY);
  const modules = join(library, "app/node_modules");
  await mkdir(join(library, "bin"), { recursive: true });
  await new LockedModules(modules).place(closure(releasedPackages(), CARRIED), tarballs);
  const dependencies = Object.fromEntries(
    CARRIED.map((name) => [name, readManifest(join(modules, name)).version]),
  );
  const manifest = { name: "luksmith-agent", version: "0.0.0", private: true, dependencies };
  await put(library, "app/package.json", `${JSON.stringify(manifest, undefined, 2)}\n`);
  await copyFile(join(NODE, "bin/node"), join(library, "bin/node"));
  for (const path of await readdir(library, { recursive: true })) {
    if ((await lstat(join(library, path))).isFile()) await chmod(join(library, path), 0o644);
  }
  await chmod(join(library, "bin/node"), 0o755);
  // Where Node looks next: plugins of others are there, out of reach of upgrades.
  await symlink("../../local/lib/luksmith/node_modules", join(library, "node_modules"));
}

async function putControl(
  tree: string,
  fields: { readonly version: string; readonly architecture: string; readonly maintainer: string },
): Promise<void> {
  const files = (await readdir(tree, { recursive: true, withFileTypes: true })).filter((each) =>
    each.isFile(),
  );
  const paths = files.map(({ parentPath, name }) => join(parentPath, name).slice(tree.length + 1)).toSorted();
  let kilobytes = 0;
  for (const path of paths) kilobytes += Math.ceil((await lstat(join(tree, path))).size / 1024);
  const template = await readFile(join(FILES, "control"), "utf8");
  const values: Readonly<Record<string, string>> = { ...fields, size: String(kilobytes) };
  const control = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
  await put(tree, "DEBIAN/control", control);
  await put(tree, "DEBIAN/conffiles", `/${CONFIG_FILE}\n`);
  await put(
    tree,
    "DEBIAN/md5sums",
    await run(
      "md5sum",
      paths.filter((path) => path !== CONFIG_FILE),
      { cwd: tree },
    ),
  );
  for (const name of ["postinst", "prerm", "postrm"]) {
    await put(tree, `DEBIAN/${name}`, await readFile(join(FILES, name)), 0o755);
  }
}
