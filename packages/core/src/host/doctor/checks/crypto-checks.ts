import { createCipheriv, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import type { Finding, HealthCheck } from "../../../health/health-check.ts";
import type { DoctorHost } from "../doctor-host.ts";

const MEASURED_ITERATIONS = 20_000;
const SLOW_MS = 2000;
const MIB = 1 << 20;

/** Random numbers, the cost of opening a disk, and of encrypting. */
export function cryptoChecks(host: DoctorHost): readonly HealthCheck[] {
  return [
    { id: "entropy", fine: "the kernel's random source is ready", run: () => entropy(host) },
    { id: "kdf", fine: "opening a disk takes little time", run: () => derivation(host) },
    { id: "aes", fine: "the processor does AES itself", run: () => aes(host) },
    { id: "dm-crypt.plain", fine: "no mapping of plain dm-crypt is open", run: () => plainMappings(host) },
  ];
}

async function entropy({ system }: DoctorHost): Promise<readonly Finding[]> {
  const bits = await system.read("/proc/sys/kernel/random/entropy_avail");
  // 256 is all there is since 5.18; older kernels count up to 4096, and block early in their life.
  if (bits !== undefined && Number(bits) >= 128) return [];
  return [
    {
      severity: "error",
      finding: `the kernel counts ${bits ?? "no"} bits of entropy: passphrases and keys made now may be guessed, or making them may hang`,
      fix: "give the host a source of random numbers (rngd, virtio-rng), or wait until it has booted",
    },
  ];
}

async function derivation({ config }: DoctorHost): Promise<readonly Finding[]> {
  const iterations = config.luksmith.pbkdf_iterations;
  const start = process.hrtime.bigint();
  // Two blocks, as for a key slot of a 64-byte volume key.
  await promisify(pbkdf2)(randomBytes(88), randomBytes(32), MEASURED_ITERATIONS, 64, "sha256");
  const each = Number(process.hrtime.bigint() - start) / 1e6 / MEASURED_ITERATIONS;
  const ms = Math.round(each * iterations);
  const cost = `${iterations} iterations of PBKDF2 take about ${ms} ms here, for each disk that is opened`;
  if (iterations <= 100_000 || ms <= SLOW_MS) return [{ severity: "ok", finding: cost }];
  return [
    {
      severity: "warning",
      finding: `${cost}: a host that starts many guests at once waits for that`,
      fix: "lower [luksmith] pbkdf_iterations: the passphrases are random, and stretching adds no safety to them",
    },
  ];
}

async function aes({ system }: DoctorHost): Promise<readonly Finding[]> {
  const flags = /^(?:flags|Features)\s*:(.*)$/mu.exec((await system.read("/proc/cpuinfo")) ?? "")?.[1] ?? "";
  if (flags.split(/\s+/u).includes("aes")) {
    return [
      {
        severity: "ok",
        finding: `the processor does AES itself; AES-256-XTS runs at about ${speed()} MiB/s here`,
      },
    ];
  }
  return [
    {
      severity: "warning",
      finding: `the processor has no AES instructions (or the hypervisor hides them): AES-256-XTS runs at about ${speed()} MiB/s here, and guests' disks are no faster`,
      fix: 'use a processor with them; in a virtual machine, give it the host\'s (cpu mode="host-passthrough")',
    },
  ];
}

/** One core, encrypting. */
function speed(): number {
  const cipher = createCipheriv("aes-256-xts", randomBytes(64), randomBytes(16));
  const start = process.hrtime.bigint();
  cipher.update(Buffer.alloc(4 * MIB));
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  return Math.round(4 / seconds);
}

async function plainMappings({ system }: DoctorHost): Promise<readonly Finding[]> {
  const devices = (await system.list("/sys/block")).filter((name) => name.startsWith("dm-"));
  const names = await Promise.all(
    devices.map(async (device) => {
      const uuid = await system.read(`/sys/block/${device}/dm/uuid`);
      const name = await system.read(`/sys/block/${device}/dm/name`);
      return uuid?.startsWith("CRYPT-PLAIN-") ? [name ?? device] : [];
    }),
  );
  const plain = names.flat();
  if (plain.length === 0) return [];
  const ours = plain.filter((name) => name.endsWith("-dmcrypt"));
  const more = plain.filter((name) => !name.endsWith("-dmcrypt"));
  const finding = (severity: Finding["severity"], which: readonly string[], fix: string): Finding[] =>
    which.length === 0
      ? []
      : [{ severity, finding: `plain dm-crypt, without a header, is open: ${which.join(", ")}`, fix }];
  return [
    ...finding(
      "warning",
      ours,
      'these are Nova\'s old disks; "luksmith legacy list" and "legacy migrate" make them LUKS',
    ),
    ...finding("info", more, "somebody else's; swap under a random key, perhaps"),
  ];
}
