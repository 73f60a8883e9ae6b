import { isLuksmithError } from "../../../errors/luksmith-error.ts";
import type { Finding, HealthCheck, HealthSubject } from "../../../health/health-check.ts";
import { fixOf } from "../../../health/run-checks.ts";
import { hasHeader } from "../../../image/image-disk.ts";
import type { OpContext } from "../../../image/op-context.ts";
import type { DoctorHost } from "../doctor-host.ts";
import { showTraits } from "../../operations/traits.ts";
import { missingSecrets, type OwnedDisk } from "../missing-secrets.ts";

const MANY = 10;

/** The plugins, and what they say of the host's disks and abilities. */
export function serviceChecks(host: DoctorHost): readonly HealthCheck[] {
  return [
    { id: "plugins", fine: "all configured plugins load and fit together", run: () => plugins(host) },
    { id: "backend.ready", fine: "the storage of new disks is there", run: (_, ctx) => ready(host, ctx) },
    {
      id: "disks.present",
      fine: "all recorded disks are there",
      timeoutMs: 120_000,
      run: (subject, ctx) => present(host, subject, ctx),
    },
    {
      id: "disks.secrets",
      fine: "the key manager has the passphrase of each disk",
      timeoutMs: 120_000,
      run: (subject, ctx) => secrets(host, subject, ctx),
    },
    {
      id: "traits",
      fine: "what is reported of this host is what it can do",
      run: (_, ctx) => traits(host, ctx),
    },
  ];
}

async function plugins(host: DoctorHost): Promise<readonly Finding[]> {
  const services = await host.services();
  const backend = services.chosenBackend.name;
  const keys = services.hasKeyManager ? services.keys.name : "none";
  if (services.hasKeyManager) {
    return [{ severity: "ok", finding: `new disks: ${backend}; key manager: ${keys}` }];
  }
  const fix = "add a key manager to [luksmith] plugins: @luksmith/keymgr-barbican or @luksmith/keymgr-local";
  return [{ severity: "error", finding: "no key manager is configured: no encrypted disk can be made", fix }];
}

async function ready(host: DoctorHost, ctx: OpContext): Promise<readonly Finding[]> {
  const backend = (await host.services()).chosenBackend;
  const trouble = await backend.ready?.(ctx);
  if (trouble === undefined) return [];
  const finding = `no disk can be made on ${backend.name} now: ${trouble}`;
  return [
    {
      severity: "error",
      finding,
      fix: "mend what it names; traits of encryption are not reported until then",
    },
  ];
}

async function present(
  host: DoctorHost,
  { instances }: HealthSubject,
  ctx: OpContext,
): Promise<readonly Finding[]> {
  const services = await host.services();
  const findings: Finding[] = [];
  for (const record of instances
    .filter(({ pending }) => pending === undefined)
    .flatMap(({ disks }) => disks)) {
    const image = services.backend(record.backend).image(record);
    try {
      if (await image.requireOurs(record.identity, ctx)) continue;
      findings.push({
        severity: "error",
        finding: `${image.label} is not there`,
        fix: 'mount or restore it; "luksmith gc" shows what else differs',
      });
    } catch (error) {
      if (!isLuksmithError(error) || error.category === "cancelled") throw error;
      findings.push({ severity: "error", finding: error.message, fix: fixOf(error.code) });
    }
  }
  return abridged(findings, "disks");
}

async function secrets(
  host: DoctorHost,
  { instances }: HealthSubject,
  ctx: OpContext,
): Promise<readonly Finding[]> {
  const { keys } = await host.services();
  const disks: OwnedDisk[] = [];
  for (const { pending, projectId, disks: own } of instances) {
    if (pending !== undefined) continue;
    for (const { name, instanceUuid, path, encryption } of own.filter(hasHeader)) {
      disks.push({ name, instanceUuid, path, encryption, projectId });
    }
  }
  if (disks.length === 0) return [];
  const { missing, unknown } = await missingSecrets(keys, disks, ctx);
  const findings = missing.map(({ name, instanceUuid, path, encryption }): Finding => ({
    severity: "error",
    finding: `the passphrase of ${name} of instance ${instanceUuid} (${path}) is gone: ${keys.name} has no secret ${encryption?.secretId}; its content is lost when its guest stops`,
    fix: "restore the secret from a backup of the key manager; while the guest runs, copy its data from inside the guest",
  }));
  if (unknown.length > 0) {
    findings.push({
      severity: "info",
      finding: `of ${unknown.length} of ${disks.length} encrypted disks it cannot be told: their secrets belong to users, and the token given (if any) is of another project`,
      fix: "run it again with each user's token (--os-cloud, OS_*)",
    });
  }
  return abridged(findings, "secrets");
}

async function traits(host: DoctorHost, ctx: OpContext): Promise<readonly Finding[]> {
  const { host: own, reporters } = await showTraits(host, ctx);
  const findings = own.absent.map(({ source, traits: names, reason }): Finding => ({
    severity: "info",
    finding: `${names.join(", ")} cannot be claimed by this host: ${source}: ${reason}`,
  }));
  for (const view of reporters) {
    if (view.error !== undefined) {
      const why = view.error instanceof Error ? view.error.message : "it does not say why";
      findings.push({
        severity: "warning",
        finding: `${view.reporter} does not say what is reported of this host: ${why}`,
        fix: "mend that; until then the scheduler believes what was reported last",
      });
    } else if (view.reported && view.missing.length + view.extra.length > 0) {
      const words = [
        ...view.missing.map((trait) => `${trait} is missing`),
        ...view.extra.map((trait) => `${trait} is reported and not so`),
      ];
      const fix = "run the daemon, or luksmith traits sync";
      findings.push({ severity: "warning", finding: `${view.reporter}: ${words.join(", ")}`, fix });
    }
  }
  return findings;
}

/** So that one cause does not bury all else. */
function abridged(findings: readonly Finding[], of: string): readonly Finding[] {
  const more = findings.length - MANY;
  if (more <= 0) return findings;
  const rest: Finding = {
    severity: "error",
    finding: `and ${more} more ${of}`,
    fix: "luksmith gc lists all",
  };
  return [...findings.slice(0, MANY), rest];
}
