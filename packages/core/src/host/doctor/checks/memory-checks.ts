import type { Finding, HealthCheck } from "../../../health/health-check.ts";
import type { DoctorHost } from "../doctor-host.ts";
import type { SystemView } from "../system-view.ts";

/** Where the memory of this program and of guests' QEMU, with passphrases and volume keys in it, may land on a disk. */
export function memoryChecks({ system }: DoctorHost): readonly HealthCheck[] {
  return [
    { id: "swap", fine: "memory is not swapped to a disk in clear", run: () => swap(system) },
    { id: "core-dumps", fine: "memory is not dumped to a disk", run: () => coreDumps(system) },
    { id: "shared-memory", fine: "/dev/shm is in memory and shared safely", run: () => sharedMemory(system) },
    { id: "temp-directory", fine: "the temporary directory is there and safe", run: () => temporary(system) },
  ];
}

async function swap(system: SystemView): Promise<readonly Finding[]> {
  const [, ...lines] = ((await system.read("/proc/swaps")) ?? "").split("\n");
  const findings = await Promise.all(lines.filter(Boolean).map((line) => swapArea(system, line)));
  return findings.flat();
}

async function swapArea(system: SystemView, line: string): Promise<readonly Finding[]> {
  const [path = "", type] = line.split(/\s+/u).map(unescaped);
  const device = type === "file" ? await system.deviceUnder(path) : await system.deviceName(path);
  if (device?.startsWith("zram")) {
    // Compressed memory; what does not compress may go to a disk behind it.
    const behind = await system.read(`/sys/class/block/${device}/backing_dev`);
    if (behind === undefined || behind === "none") return [];
    if (await system.isEncrypted(await system.deviceName(behind))) return [];
  } else if (device !== undefined && (await system.isEncrypted(device))) return [];
  return [
    {
      severity: "warning",
      finding: `${path} swaps memory to a disk in clear: passphrases, and keys of running guests, may be read from it years later`,
      fix: `swapoff ${path}, or encrypt it with a random key at each boot (a line with "swap,cipher=aes-xts-plain64,size=512" in /etc/crypttab)`,
    },
  ];
}

/** As /proc/swaps and /proc/mounts write blanks. */
function unescaped(text: string): string {
  return text.replaceAll(/\\(\d{3})/gu, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}

async function coreDumps(system: SystemView): Promise<readonly Finding[]> {
  const pattern = (await system.read("/proc/sys/kernel/core_pattern")) ?? "";
  const harmless = pattern === "" || /^\|\s*\S*\/(?:false|true)\b/u.test(pattern);
  if (harmless) return [];
  const findings: Finding[] = [];
  const where = pattern.startsWith("|")
    ? `given to ${pattern.slice(1).trim().split(" ")[0]}`
    : `written to files (${pattern})`;
  if (canDump(await system.read("/proc/self/limits"))) {
    findings.push({
      severity: "warning",
      finding: `this process may dump its memory when it crashes, and dumps are ${where}`,
      fix: "run the agent with LimitCORE=0 (its unit has it), or ulimit -c 0",
    });
  }
  const guests = await dumpingGuests(system);
  if (guests.length > 0) {
    findings.push({
      severity: "warning",
      finding: `${guests.length} running QEMU may dump memory with the keys of disks when they crash (pid ${guests.slice(0, 5).join(", ")}), and dumps are ${where}`,
      fix: "set max_core = 0 in /etc/libvirt/qemu.conf; it counts for guests that are started after that",
    });
  }
  if ((await system.read("/proc/sys/fs/suid_dumpable")) === "1") {
    findings.push({
      severity: "warning",
      finding:
        "fs.suid_dumpable is 1: programs that have changed their user dump their memory, readable by that user",
      fix: "sysctl fs.suid_dumpable=0",
    });
  }
  return findings;
}

/** By the soft limit, which counts. */
function canDump(limits: string | undefined): boolean {
  const [, soft = "0"] = /^Max core file size\s+(\S+)/mu.exec(limits ?? "") ?? [];
  return soft !== "0";
}

async function dumpingGuests(system: SystemView): Promise<readonly string[]> {
  const processes = (await system.list("/proc")).filter((name) => /^\d+$/u.test(name));
  const found = await Promise.all(
    processes.map(async (pid) => {
      const name = await system.read(`/proc/${pid}/comm`);
      if (!name?.startsWith("qemu-system")) return [];
      return canDump(await system.read(`/proc/${pid}/limits`)) ? [pid] : [];
    }),
  );
  return found.flat();
}

interface Mount {
  readonly point: string;
  readonly type: string;
}

async function mounts(system: SystemView): Promise<readonly Mount[]> {
  const lines = ((await system.read("/proc/self/mounts")) ?? "").split("\n");
  return lines.map((line) => {
    const [, point = "", type = ""] = line.split(" ").map(unescaped);
    return { point, type };
  });
}

async function sharedMemory(system: SystemView): Promise<readonly Finding[]> {
  const found = (await mounts(system)).findLast(({ point }) => point === "/dev/shm");
  if (found?.type === "tmpfs") return [];
  return [
    {
      severity: "error",
      finding: `/dev/shm is ${found ? `of type ${found.type}` : "not mounted"}, not tmpfs: passphrases for other programs go through a nameless file there, and operations that need one are refused`,
      fix: "mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm",
    },
  ];
}

async function temporary(system: SystemView): Promise<readonly Finding[]> {
  const directory = process.env["TMPDIR"] ?? "/tmp";
  const mode = await system.mode(directory);
  if (mode === undefined) {
    const finding = `the temporary directory ${directory} is not there`;
    return [{ severity: "warning", finding, fix: `mkdir -m 1777 ${directory}, or set TMPDIR` }];
  }
  if ((mode & 0o002) === 0 || (mode & 0o1000) !== 0) return [];
  return [
    {
      severity: "error",
      finding: `everybody can remove and exchange files of others in ${directory} (mode ${(mode & 0o7777).toString(8)}, without the sticky bit)`,
      fix: `chmod +t ${directory}`,
    },
  ];
}
