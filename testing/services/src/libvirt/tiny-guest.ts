import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { CACHE } from "./cache-directory.ts";
import { type ArchivedFile, cpio } from "./cpio.ts";

const run = promisify(execFile);

/** What a domain boots: a Linux that does what the serial console says. See `GuestConsole`. */
export interface TinyGuest {
  readonly kernel: string;
  readonly initrd: string;
  /** Append `root=/dev/vda` to go on from that disk; it must hold `rootFiles`. */
  readonly commandLine: string;
  /** A directory with what an ext4 root disk needs; for `mke2fs -d`. */
  readonly rootFiles: string;
}

/** In the order of loading, but for what they depend on. */
const MODULES = ["virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "crc32c_generic", "ext4"];
const COMMAND_LINE = "console=ttyS0 panic=-1 quiet loglevel=1";

let made: Promise<TinyGuest> | undefined;

/** Made once, of Debian's packages for clouds, and kept for later runs. */
export function tinyGuest(): Promise<TinyGuest> {
  return (made ??= make());
}

async function make(): Promise<TinyGuest> {
  const init = await readFile(join(import.meta.dirname, "guest-init.sh"));
  const recipe = createHash("sha256").update(init).update(JSON.stringify(MODULES));
  const directory = join(CACHE, `tiny-guest-${recipe.digest("hex").slice(0, 16)}`);
  if (!existsSync(directory)) await build(directory, init);
  return {
    kernel: join(directory, "vmlinuz"),
    initrd: join(directory, "initrd.gz"),
    commandLine: COMMAND_LINE,
    rootFiles: join(directory, "root"),
  };
}

async function build(directory: string, init: Buffer): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const scratch = await mkdtemp(`${directory}.`);
  try {
    const packages = join(scratch, "packages");
    await unpackPackages(scratch, packages);
    const busybox = await readFile(join(packages, "bin/busybox"));
    const modules = await modulesWithDependencies(packages);
    const files: ArchivedFile[] = [
      { name: "init", content: init },
      { name: "bin/busybox", content: busybox },
    ];
    const result = join(scratch, "result");
    for (const { name, content } of files) {
      await mkdir(join(result, "root", name, ".."), { recursive: true });
      await writeFile(join(result, "root", name), content, { mode: 0o755 });
    }
    await writeFile(join(result, "initrd.gz"), gzipSync(cpio([...files, ...modules])));
    const boot = join(packages, "boot");
    const kernel = (await readdir(boot)).find((name) => name.startsWith("vmlinuz-")) ?? "";
    await rename(join(boot, kernel), join(result, "vmlinuz"));
    // Another run may have been quicker; then its result stands.
    await rename(result, directory).catch((error: unknown) => {
      if (!existsSync(directory)) throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The kernel is not installed: that would make a machine boot it. */
async function unpackPackages(scratch: string, into: string): Promise<void> {
  let kernel = await kernelPackage();
  if (kernel === undefined) {
    // A machine to which nothing was ever installed may know no packages.
    await run("apt-get", ["-qq", "update"]);
    kernel = await kernelPackage();
  }
  if (kernel === undefined) throw new Error("apt-cache knows no linux-image-cloud-amd64");
  const packages = [kernel, "busybox-static"];
  await run("apt-get", ["-qq", "-o", "APT::Sandbox::User=root", "download", ...packages], { cwd: scratch });
  for (const name of await readdir(scratch)) {
    if (name.endsWith(".deb")) await run("dpkg-deb", ["-x", join(scratch, name), into]);
  }
}

async function kernelPackage(): Promise<string | undefined> {
  // Fails, or says nothing, where the name is not known.
  const said = await run("apt-cache", ["depends", "linux-image-cloud-amd64"]).catch(() => undefined);
  return /Depends: (linux-image-\S+)/.exec(said?.stdout ?? "")?.[1];
}

/** Numbered, so that the guest loads them in order. The package has no modules.dep; each module says what it needs. */
async function modulesWithDependencies(packages: string): Promise<readonly ArchivedFile[]> {
  const library = join(packages, "lib/modules");
  const entries = await readdir(library, { recursive: true });
  const paths = new Map(
    entries
      .filter((name) => name.endsWith(".ko"))
      .map((name) => [basename(name, ".ko").replaceAll("-", "_"), join(library, name)]),
  );
  const loaded = new Map<string, Buffer>();
  const load = async (name: string): Promise<void> => {
    const path = paths.get(name);
    // What is built into the kernel has no file.
    if (path === undefined || loaded.has(name)) return;
    const content = await readFile(path);
    const [, needed = ""] = /\0depends=([^\0]*)\0/.exec(content.toString("latin1")) ?? [];
    for (const each of needed.split(",")) await load(each.replaceAll("-", "_"));
    loaded.set(name, content);
  };
  for (const name of MODULES) await load(name);
  return [...loaded].map(([name, content], index) => ({
    name: `modules/${String(index).padStart(2, "0")}-${name}.ko`,
    content,
  }));
}
