import { randomUUID } from "node:crypto";
import {
  type HealthFinding,
  GeneratedPassphrase,
  type HealthCheck,
  type HealthSubject,
  type OpContext,
} from "@luksmith/core";
import { plainOverlays } from "./domain/plain-overlays.ts";
import type { LazyConnection } from "./hypervisor/lazy-connection.ts";
import { GuestSecrets } from "./secrets/guest-secrets.ts";

/** The oldest that the tests run with. */
const LEAST_LIBVIRT = 9;

/** What may be wrong with a host's libvirt: its version, its secrets, what its guests write in clear. */
export function libvirtChecks(connection: LazyConnection): readonly HealthCheck[] {
  return [
    { id: "libvirt.version", fine: "libvirt answers", run: (_, ctx) => version(connection, ctx) },
    {
      id: "libvirt.secrets",
      fine: "libvirt keeps a secret in memory, and gives it to nobody",
      writes: true,
      run: (_, ctx) => trial(connection, ctx),
    },
    {
      id: "libvirt.exposed",
      fine: "no passphrase in libvirt is on the host's disk or can be read by its clients",
      run: (_, ctx) => exposed(connection, ctx),
    },
    {
      id: "libvirt.overlays",
      fine: "no guest writes to a plain layer over an encrypted disk",
      run: (subject, ctx) => overlays(connection, subject, ctx),
    },
  ];
}

async function version(connection: LazyConnection, ctx: OpContext): Promise<readonly HealthFinding[]> {
  const { libvirt, qemu } = await (await connection.get(ctx)).version(ctx);
  if (Number.parseInt(libvirt, 10) >= LEAST_LIBVIRT) {
    return [{ severity: "ok", finding: `libvirt ${libvirt} with QEMU ${qemu}` }];
  }
  const finding = `libvirt is ${libvirt}; Luksmith is tested with ${LEAST_LIBVIRT}.0 and newer`;
  return [{ severity: "warning", finding, fix: `upgrade libvirt to ${LEAST_LIBVIRT}.0 or newer` }];
}

async function trial(connection: LazyConnection, ctx: OpContext): Promise<readonly HealthFinding[]> {
  const { secrets } = await connection.get(ctx);
  const guests = new GuestSecrets(secrets);
  const use = { kind: "disk", instanceUuid: randomUUID(), diskUuid: randomUUID() } as const;
  const secret = { uuid: randomUUID(), use };
  const steady: OpContext = { ...ctx, signal: new AbortController().signal };
  try {
    using passphrase = GeneratedPassphrase.create();
    await guests.ensure(secret, passphrase, ctx);
    const kept = await secrets.attributes(secret.uuid, ctx);
    if (kept?.ephemeral && kept.private) return [];
    return [
      {
        severity: "error",
        finding: `libvirt ${kept ? `keeps a private secret in memory only as ${kept.ephemeral ? "readable" : "persistent"}` : "forgets a secret at once"}`,
        fix: "look at the driver of secrets (virtsecretd or libvirtd), and at its log",
      },
    ];
  } finally {
    await guests.remove(secret, steady);
  }
}

async function exposed(connection: LazyConnection, ctx: OpContext): Promise<readonly HealthFinding[]> {
  const found = await new GuestSecrets((await connection.get(ctx)).secrets).exposed(ctx);
  return found.map(({ uuid, use }): HealthFinding => {
    const of = use.kind === "disk" ? `disk ${use.diskUuid} of instance ${use.instanceUuid}` : "a base image";
    return {
      severity: "error",
      finding: `libvirt's secret ${uuid}, of ${of}, is persistent (its passphrase is on this host's disk) or readable by libvirt's clients`,
      fix: `virsh secret-undefine ${uuid}; then stop and start its guest, or "luksmith rekey" where Luksmith made the disk: whoever has read the passphrase keeps it`,
    };
  });
}

async function overlays(
  connection: LazyConnection,
  { instances }: HealthSubject,
  ctx: OpContext,
): Promise<readonly HealthFinding[]> {
  const { domains } = await connection.get(ctx);
  const findings: HealthFinding[] = [];
  for (const { uuid, name } of await domains.list(ctx)) {
    // It may have been undefined meanwhile.
    const xml = await domains.xml(uuid, ctx).catch(() => undefined);
    if (xml === undefined) continue;
    const instance = instances.find((each) => each.uuid === uuid);
    for (const { device, file, over } of plainOverlays(xml, instance)) {
      findings.push({
        severity: "error",
        finding: `guest ${name} (${uuid}) writes disk ${device} in clear into ${file}, over the encrypted ${over}`,
        fix: `merge it and erase it: virsh blockcommit ${uuid} ${device} --active --pivot --wait, then shred ${file}; encrypted snapshots: luksmith snapshot`,
      });
    }
  }
  return findings;
}
