import { lstat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Finding, HealthCheck } from "../../../health/health-check.ts";
import type { DoctorHost } from "../doctor-host.ts";

const MIB = 1n << 20n;

/** Where files are kept: who else may write there, and how much room there is. */
export function storageChecks(host: DoctorHost): readonly HealthCheck[] {
  const { instances_path } = host.config.DEFAULT;
  const { state_path } = host.config.luksmith;
  return [
    {
      id: "instances.permissions",
      fine: `nobody else can write into ${instances_path}`,
      run: () => writable(instances_path),
    },
    {
      id: "space",
      fine: "there is room for the journal and for disks",
      run: async () => {
        const places = new Set([state_path, instances_path]);
        return (await Promise.all([...places].map(room))).flat();
      },
    },
  ];
}

async function writable(path: string): Promise<readonly Finding[]> {
  const stat = await lstat(path).catch(() => undefined);
  if (!stat) return [];
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, "0");
  if (stat.isSymbolicLink() || !stat.isDirectory()) {
    return [
      {
        severity: stat.isSymbolicLink() ? "info" : "error",
        finding: `${path} is ${stat.isSymbolicLink() ? "a symbolic link" : "no directory"}`,
        fix: "set [DEFAULT] instances_path to a directory",
      },
    ];
  }
  if ((stat.mode & 0o002) === 0) return [];
  const finding = `everybody on this host can write into ${path} (mode ${mode}), and so exchange disks under their names`;
  return [{ severity: "error", finding, fix: `chmod o-w ${path}` }];
}

async function room(path: string): Promise<readonly Finding[]> {
  const found = await statfs(path, { bigint: true }).catch(() => undefined);
  if (!found) return path === "/" ? [] : await room(dirname(path));
  const { bavail, bsize, blocks } = found;
  const free = bavail * bsize;
  const percent = blocks === 0n ? 100 : Number((bavail * 1000n) / blocks) / 10;
  const severity = free < 64n * MIB ? "error" : free < 1024n * MIB || percent < 5 ? "warning" : undefined;
  if (!severity) return [];
  const finding = `${path} has ${free / MIB} MiB left (${percent} %)`;
  return [
    { severity, finding, fix: "make room, or put it on a larger file system; a full one stops guests" },
  ];
}
