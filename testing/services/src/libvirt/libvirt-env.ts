import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";

/** What another process needs to know to use an environment; JSON. */
export interface LibvirtInfo {
  /** Short, since paths of sockets are. */
  readonly stateDirectory: string;
}

/** A libvirtd for tests. Its guests are `type='qemu'`; files have the same names inside and outside. */
export class LibvirtEnv {
  readonly info: LibvirtInfo;

  constructor(info: LibvirtInfo) {
    this.info = info;
  }

  get stateDirectory(): string {
    return this.info.stateDirectory;
  }

  get socket(): string {
    return join(this.info.stateDirectory, "run/libvirt-sock");
  }

  /** For `[libvirt] connection_uri` and `virsh -c`. */
  get uri(): string {
    return `qemu+unix:///system?socket=${this.socket}`;
  }

  /** The command line of a guest's QEMU, or undefined when none runs. */
  async qemuCommandLine(domainName: string): Promise<readonly string[] | undefined> {
    return (await this.#qemu(domainName))?.commandLine;
  }

  /** The process id of a guest's QEMU, as this process sees it. */
  async qemuPid(domainName: string): Promise<number | undefined> {
    return (await this.#qemu(domainName))?.pid;
  }

  async #qemu(domainName: string): Promise<{ pid: number; commandLine: readonly string[] } | undefined> {
    // What only processes of this environment have mounted; how its path begins depends on the machine's own mounts.
    const mounted = `${basename(this.info.stateDirectory)}/lib `;
    for (const entry of await readdir("/proc")) {
      if (!/^\d+$/.test(entry)) continue;
      // A process may end while it is looked at.
      const words = (await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "")).split("\0");
      if (!words.includes(`guest=${domainName},debug-threads=on`)) continue;
      const mounts = await readFile(`/proc/${entry}/mountinfo`, "utf8").catch(() => "");
      if (mounts.includes(mounted)) return { pid: Number(entry), commandLine: words };
    }
    return undefined;
  }
}
