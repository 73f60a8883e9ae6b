import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

const LIMITS = (core: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units     \nMax core file size        ${core.padEnd(20)} unlimited            bytes     \n`;

/** /proc and /sys of a host on which nothing is wrong, in a directory, for faults to be planted in. */
export class HealthySystem {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async create(root: string): Promise<HealthySystem> {
    const system = new HealthySystem(root);
    await system.swaps("/dev/dm-1 partition", "/dev/zram0 partition");
    await system.write("/sys/class/block/dm-1/dm/uuid", "CRYPT-PLAIN-swap");
    await system.write("/sys/class/block/zram0/backing_dev", "none");
    await system.write("/proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P");
    await system.write("/proc/sys/fs/suid_dumpable", "2");
    await system.write("/proc/self/limits", LIMITS("0"));
    await system.write("/proc/self/mounts", "tmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0");
    await system.write("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse2 aes avx2\n");
    await system.write("/proc/sys/kernel/random/entropy_avail", "256");
    await system.write("/proc/sys/kernel/osrelease", "6.1.0-18-amd64");
    await system.write("/sys/block/dm-0/dm/uuid", "LVM-abc");
    await system.directory(process.env["TMPDIR"] ?? "/tmp", 0o1777);
    return system;
  }

  async write(path: string, text: string): Promise<void> {
    const file = join(this.root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `${text}\n`);
  }

  async directory(path: string, mode: number): Promise<void> {
    await mkdir(join(this.root, path), { recursive: true });
    await chmod(join(this.root, path), mode);
  }

  /** Lines of /proc/swaps: device and type. */
  async swaps(...areas: readonly string[]): Promise<void> {
    const lines = areas.map((area) => `${area.replace(" ", "\t\t")}\t1048572\t0\t-2`);
    await this.write("/proc/swaps", ["Filename\tType\tSize\tUsed\tPriority", ...lines].join("\n"));
  }

  /** A device of device-mapper that stands on others. */
  async over(device: string, ...below: readonly string[]): Promise<void> {
    for (const name of below) {
      await mkdir(join(this.root, `/sys/class/block/${device}/slaves`), { recursive: true });
      await symlink(`../../${name}`, join(this.root, `/sys/class/block/${device}/slaves/${name}`));
    }
  }

  /** A guest's process, and whether it may dump its memory. */
  async guest(pid: number, core: string): Promise<void> {
    await this.write(`/proc/${pid}/comm`, "qemu-system-x86");
    await this.write(`/proc/${pid}/limits`, LIMITS(core));
  }

  async mayDump(): Promise<void> {
    await this.write("/proc/self/limits", LIMITS("unlimited"));
  }
}
