import type { CommandRunner } from "../../../command/command-runner.ts";
import { isLuksmithError } from "../../../errors/luksmith-error.ts";
import type { Finding, HealthCheck } from "../../../health/health-check.ts";
import type { OpContext } from "../../../image/op-context.ts";
import type { DoctorHost } from "../doctor-host.ts";

const TIMEOUT_MS = 20_000;

/** A program, and from which version on it does what is needed. */
interface Program {
  readonly name: string;
  readonly least: string;
  /** What is missing without it. */
  readonly need: string;
  readonly needed: "error" | "info";
}

/** Versions of what Luksmith runs on and runs. */
export function versionChecks(host: DoctorHost, commands: CommandRunner): readonly HealthCheck[] {
  const files = ["raw", "flat", "qcow2", "default"].includes(host.config.libvirt.images_type ?? "default");
  const qemu: Program = {
    name: "qemu-img",
    least: "5.2",
    need: "convert images, and to resize and copy qcow2 disks",
    needed: files ? "error" : "info",
  };
  const plain = host.config.luksmith.plugins.includes("@luksmith/legacy-dmcrypt");
  const cryptsetup: Program = {
    name: "cryptsetup",
    least: "2.3",
    need: "open plain dm-crypt disks, and for you to open any LUKS disk by hand",
    needed: plain ? "error" : "info",
  };
  return [
    { id: "version.node", fine: `Node ${process.versions.node}`, run: async () => node() },
    { id: "version.kernel", fine: "the kernel is new enough", run: () => kernel(host) },
    ...[qemu, cryptsetup].map((program): HealthCheck => ({
      id: `version.${program.name}`,
      fine: `${program.name} is new enough`,
      run: (_, ctx) => versionOf(program, commands, ctx),
    })),
  ];
}

function node(): readonly Finding[] {
  if (atLeast(process.versions.node, "24")) return [];
  const finding = `this is Node ${process.versions.node}; 24 or newer is needed`;
  return [{ severity: "error", finding, fix: "install Node 24" }];
}

async function kernel({ system }: DoctorHost): Promise<readonly Finding[]> {
  const release = (await system.read("/proc/sys/kernel/osrelease")) ?? "";
  if (atLeast(release, "4.18")) return [{ severity: "ok", finding: `Linux ${release}` }];
  const finding = `the kernel is ${release || "not known"}; Luksmith is tested on none older than 4.18`;
  return [{ severity: "warning", finding, fix: "boot a newer kernel" }];
}

async function versionOf(
  { name, least, need, needed }: Program,
  commands: CommandRunner,
  ctx: OpContext,
): Promise<readonly Finding[]> {
  let text: string;
  try {
    text = (await commands.run({ file: name, args: ["--version"], timeoutMs: TIMEOUT_MS }, ctx)).stdout;
  } catch (error) {
    if (!isLuksmithError(error) || error.code !== "CommandNotFound") throw error;
    return [
      { severity: needed, finding: `${name} is not installed; it is needed to ${need}`, fix: error.message },
    ];
  }
  const [found] = /\d+\.\d+(?:\.\d+)*/u.exec(text) ?? [];
  if (found && atLeast(found, least)) return [{ severity: "ok", finding: `${name} ${found}` }];
  const finding = `${name} is ${found ?? `of an unknown version (${text.trim().slice(0, 60)})`}; ${least} or newer is needed to ${need}`;
  return [{ severity: needed, finding, fix: `install ${name} ${least} or newer` }];
}

/** Compares by the parts that `least` has. */
export function atLeast(version: string, least: string): boolean {
  const have = version.split(/[.-]/u).map(Number);
  for (const [at, part] of least.split(".").map(Number).entries()) {
    const own = have[at] ?? 0;
    if (Number.isNaN(own) || own < part) return false;
    if (own > part) return true;
  }
  return true;
}
