import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { GuestPackages } from "./packages.ts";

const run = promisify(execFile);

/** One for all checkouts of a user: it has 300 MB. */
const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "luksmith-testing");
/** Nobody reads them there. */
const LEFT_OUT = ["doc", "man", "locale", "info"].map((name) => `--exclude=./usr/share/${name}`);
const LIBRARIES = "usr/lib/x86_64-linux-gnu";
/**
 * Processor time is counted in ticks of 10 ms there; with SHA instructions QEMU's calibration of PBKDF2 often measures
 * none, and fails with "Unable to get accurate CPU usage". Without them its first round takes long enough.
 */
const CALIBRATING = ["qemu-img", "qemu-io", "qemu-nbd"];

/** A Linux that is an ordinary program (User Mode Linux), and the files that it sees as its own. */
export interface KernelTree {
  readonly kernel: string;
  /** Read only; a guest's changes are in its memory. */
  readonly root: string;
}

let made: Promise<KernelTree> | undefined;

/** Made once of Debian's packages and kept until their versions change; several may make it at the same time. */
export function kernelTree(): Promise<KernelTree> {
  return (made ??= make());
}

async function make(): Promise<KernelTree> {
  await mkdir(CACHE, { recursive: true });
  const scratch = await mkdtemp(join(CACHE, "making-"));
  try {
    const packages = new GuestPackages(join(scratch, "apt"));
    const files = ["guest-init.sh", "guest-agent.sh", "guest-lvm.conf"];
    const recipe = createHash("sha256").update(await packages.digest());
    for (const name of [...files, "kernel-tree.ts"]) recipe.update(await readFile(ours(name)));
    const root = join(CACHE, `dm-kernel-${recipe.digest("hex").slice(0, 16)}`);
    if (!existsSync(root)) {
      await packages.download();
      const tree = join(scratch, "tree");
      await build(tree, packages.archives);
      // Another run may have been quicker; then its result stands.
      await rename(tree, root).catch((error: unknown) => {
        if (!existsSync(root)) throw error;
      });
    }
    return { kernel: join(root, "usr/bin/linux.uml"), root };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function build(tree: string, archives: string): Promise<void> {
  // Debian's packages are for a system in which these are links already.
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    await mkdir(join(tree, "usr", name), { recursive: true });
    await symlink(`usr/${name}`, join(tree, name));
  }
  for (const name of await readdir(archives)) {
    if (name.endsWith(".deb")) await unpack(join(archives, name), tree);
  }
  for (const name of ["dev", "proc", "sys", "run", "tmp", "root", "etc/lvm", "over", "control"]) {
    await mkdir(join(tree, name), { recursive: true });
  }
  await writeFile(join(tree, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  await writeFile(join(tree, "etc/group"), "root:x:0:\ndisk:x:6:\n");
  await symlink("/proc/mounts", join(tree, "etc/mtab"));
  await writeFile(join(tree, "etc/lvm/lvm.conf"), await readFile(ours("guest-lvm.conf")));
  for (const name of ["guest-init", "guest-agent"]) {
    await writeFile(join(tree, name), await readFile(ours(`${name}.sh`)), { mode: 0o755 });
  }
  await keepOfSystemd(tree);
  await wrapCalibrating(tree);
  await placeModules(tree);
  await chmod(tree, 0o755);
}

async function unpack(archive: string, tree: string): Promise<void> {
  const script = 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink --no-same-owner -p -C "$2"';
  await run("bash", [
    "-o",
    "pipefail",
    "-c",
    `${script} ${LEFT_OUT.join(" ")} -f -`,
    "unpack",
    archive,
    tree,
  ]);
}

/**
 * Of systemd what runs units and keeps their logs. What else Debian has it do at the start (temporary files, devices, sysctls,
 * terminals) is of no use to tests.
 */
async function keepOfSystemd(tree: string): Promise<void> {
  const units = join(tree, "usr/lib/systemd/system");
  const wants = (await readdir(units))
    .filter((name) => name.endsWith(".wants"))
    .map((name) => join(units, name));
  for (const each of [...wants, join(tree, "usr/lib/systemd/system-generators")]) {
    await rm(each, { recursive: true });
  }
  const target =
    "[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=systemd-journald.socket systemd-journald.service\n";
  await writeFile(join(units, "tests.target"), target);
  // Without one, systemd would find that this is its first start, and switch on whatever there is.
  await writeFile(join(tree, "etc/machine-id"), `${randomUUID().replaceAll("-", "")}\n`);
}

async function wrapCalibrating(tree: string): Promise<void> {
  const away = join(tree, "usr/lib/calibrating");
  await mkdir(away);
  for (const name of CALIBRATING) {
    await rename(join(tree, "usr/bin", name), join(away, name));
    const script = `#!/bin/busybox sh\nNETTLE_FAT_OVERRIDE= exec /usr/lib/calibrating/${name} "$@"\n`;
    await writeFile(join(tree, "usr/bin", name), script, { mode: 0o755 });
  }
}

/** Puts the kernel's modules where modprobe looks, with an index made by the tree's own depmod: this machine may have none. */
async function placeModules(tree: string): Promise<void> {
  const from = join(tree, "usr/lib/uml/modules");
  const [version = ""] = await readdir(from);
  await mkdir(join(tree, "usr/lib/modules"), { recursive: true });
  await rename(join(from, version), join(tree, "usr/lib/modules", version));
  const loader = join(tree, "usr/lib64/ld-linux-x86-64.so.2");
  const program = ["--argv0", "depmod", "--library-path", join(tree, LIBRARIES), join(tree, "usr/bin/kmod")];
  await run(loader, [...program, "-b", tree, version]);
}

function ours(name: string): string {
  return join(import.meta.dirname, name);
}
