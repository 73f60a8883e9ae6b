import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { GuestPackages } from "../dm-kernel/packages.ts";

const run = promisify(execFile);

const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "luksmith-testing");
/** What the packages that are tested depend on: there is no network where they are installed. */
const PACKAGES = ["qemu-utils", "e2fsprogs", "util-linux", "cryptsetup-bin", "libstdc++6"];

/** A Debian with nothing but what it must have, and `PACKAGES`, as a tar archive; made once, kept until versions change. */
export async function baseRoot(): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  const scratch = await mkdtemp(join(CACHE, "making-"));
  try {
    const recipe = createHash("sha256").update(
      await new GuestPackages(join(scratch, "apt"), PACKAGES).digest(),
    );
    recipe.update(await readFile(join(import.meta.dirname, "base-root.ts")));
    const root = join(CACHE, `debian-root-${recipe.digest("hex").slice(0, 16)}.tar`);
    if (existsSync(root)) return root;
    const made = join(scratch, "root.tar");
    const { suite, sources } = await debianSources();
    const include = `--include=${PACKAGES.join(",")}`;
    // Devices are those of whoever uses it.
    const options = ["--quiet", "--variant=minbase", include, "--skip=output/dev"];
    await run("mmdebstrap", [...options, suite, made, ...sources], { maxBuffer: 1 << 24 });
    await rename(made, root);
    return root;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** From where this machine has its Debian packages, and of which release. */
async function debianSources(): Promise<{ readonly suite: string; readonly sources: readonly string[] }> {
  const format = "$(CREATED_BY)|$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)";
  const { stdout } = await run("apt-get", ["indextargets", "--format", format]);
  const lines = new Set(stdout.split("\n").filter((line) => line.startsWith("Packages|Debian|")));
  const targets = [...lines].map((line) => line.split("|").slice(2)).filter((each) => each.length === 3);
  const suite = targets.map(([, release = ""]) => release).find((release) => !release.includes("-"));
  if (!suite) throw new Error("apt knows no release of Debian: apt-get update");
  return { suite, sources: targets.map(([uri, release, component]) => `deb ${uri} ${release} ${component}`) };
}
