import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the guest has; with all that they depend on it is some 170 packages, 115 MB. Node comes with the workspace. */
const PACKAGES = [
  "user-mode-linux",
  "busybox-static",
  "kmod",
  "lvm2",
  "thin-provisioning-tools",
  "cryptsetup-bin",
  "qemu-utils",
  "e2fsprogs",
  "coreutils",
  "util-linux",
  "mount",
  "dash",
  "libstdc++6",
  "systemd",
  "qemu-system-x86",
  "libvirt-daemon",
  "libvirt-daemon-driver-qemu",
  // For the first process of libvirtd's namespaces.
  "bash",
];

/** Debian's packages for the guest, or for another root, resolved as if none were installed here. */
export class GuestPackages {
  readonly #directory: string;
  readonly #packages: readonly string[];

  /** @param directory empty; becomes apt's */
  constructor(directory: string, packages: readonly string[] = PACKAGES) {
    this.#directory = directory;
    this.#packages = packages;
  }

  /** What tells their versions from others'. */
  async digest(): Promise<string> {
    await mkdir(join(this.archives, "partial"), { recursive: true });
    await writeFile(join(this.#directory, "status"), "");
    const names = await this.#names().catch(async () => {
      // A machine to which nothing was ever installed may know no packages.
      await run("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=600", "update"]);
      return await this.#names();
    });
    return createHash("sha256").update(names.toSorted().join("\n")).digest("hex");
  }

  /** Brings them to `archives`. */
  async download(): Promise<void> {
    await this.#apt("--download-only");
  }

  get archives(): string {
    return join(this.#directory, "archives");
  }

  async #names(): Promise<readonly string[]> {
    const lines = (await this.#apt("--print-uris")).split("\n");
    return lines.flatMap((line) => line.split(" ")[1] ?? []);
  }

  async #apt(what: "--download-only" | "--print-uris"): Promise<string> {
    const options = [
      "Debug::NoLocking=1",
      "APT::Sandbox::User=root",
      `Dir::State::status=${join(this.#directory, "status")}`,
      `Dir::Cache::archives=${this.archives}`,
      "Dir::Cache::pkgcache=",
      "Dir::Cache::srcpkgcache=",
    ].flatMap((option) => ["-o", option]);
    const args = ["-qq", "--yes", "--no-install-recommends", what, ...options, "install", ...this.#packages];
    const { stdout } = await run("apt-get", args, { maxBuffer: 1 << 24 });
    return stdout;
  }
}
