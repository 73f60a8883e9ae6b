import { randomUUID } from "node:crypto";
import { isLuksmithError } from "../../../errors/luksmith-error.ts";
import type { Finding, HealthCheck } from "../../../health/health-check.ts";
import { fixOf } from "../../../health/run-checks.ts";
import type { OpContext } from "../../../image/op-context.ts";
import { secretName } from "../../../key-manager/key-manager.ts";
import { parseRequest } from "../../../request/parse-request.ts";
import { createInstance } from "../../operations/create-instance.ts";
import { deleteInstance } from "../../operations/delete-instance.ts";
import { findInstance, verifyDisks } from "../../operations/verify-disks.ts";
import type { WritableHost } from "../../host.ts";
import type { DoctorHost } from "../doctor-host.ts";

/** A key manager that belongs to users cannot be tried without one. */
const NO_USER: Finding = {
  severity: "info",
  finding: "not tried: the key manager's secrets belong to users, and no user's token came along",
  fix: "run it with a token (--os-cloud, OS_*, --os-token-stdin)",
};

/** What only doing it shows: a secret made, read and deleted; a disk made, proven and erased. */
export function trialChecks(host: DoctorHost): readonly HealthCheck[] {
  return [
    {
      id: "keys.round-trip",
      fine: "a secret could be made, read and deleted",
      writes: true,
      timeoutMs: 60_000,
      run: (_, ctx) => withUser(ctx, () => roundTrip(host, ctx)),
    },
    {
      id: "backend.write",
      fine: "an encrypted disk could be made, proven and erased",
      writes: true,
      timeoutMs: 300_000,
      run: (_, ctx) => withUser(ctx, () => writeDisk(host, ctx)),
    },
  ];
}

async function withUser(
  ctx: OpContext,
  trial: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await trial();
  } catch (error) {
    if (isLuksmithError(error) && error.code === "TokenMissing" && !ctx.userToken) return [NO_USER];
    throw error;
  }
}

async function roundTrip(host: DoctorHost, ctx: OpContext): Promise<readonly Finding[]> {
  const { keys, luks } = await host.services();
  const steady: OpContext = { ...ctx, signal: new AbortController().signal };
  using made = luks.generatePassphrase();
  const { id } = await keys.create(
    { name: `${secretName(randomUUID(), randomUUID())} doctor`, passphrase: made },
    ctx,
  );
  const findings: Finding[] = [];
  try {
    using read = await keys.get({ id }, ctx);
    if (!read.equals(made)) {
      findings.push({
        severity: "error",
        finding: `${keys.name} gives back another passphrase than it was given: no disk that is made now could be opened`,
        fix: "look what is between here and the key manager, and whether it changes what it stores",
      });
    }
  } finally {
    await keys.delete({ id }, steady);
  }
  if (!(await isGone(host, id, ctx))) {
    findings.push({
      severity: "error",
      finding: `${keys.name} still gives out the secret ${id} after it was deleted: erased disks may not be gone`,
      fix: "look whether the key manager keeps deleted secrets (Barbican: a cache, or a read replica that lags)",
    });
  }
  return findings;
}

async function isGone(host: DoctorHost, id: string, ctx: OpContext): Promise<boolean> {
  const { keys } = await host.services();
  try {
    using _still = await keys.get({ id }, ctx);
    return false;
  } catch (error) {
    if (isLuksmithError(error) && error.code === "EphemeralEncryptionSecretNotFound") return true;
    throw error;
  }
}

/** As any create and delete, and so in the journal: a crash leaves what recovery takes back. */
async function writeDisk(host: DoctorHost, ctx: OpContext): Promise<readonly Finding[]> {
  const unfinished = host.isDaemon ? [] : ((await host.host()).inventory?.unfinished() ?? []);
  if (unfinished.length > 0) {
    return [
      {
        severity: "info",
        finding: "not tried: operations are unfinished, which the trial would end first",
        fix: "luksmith recover",
      },
    ];
  }
  const tried = await host.change((writable) => makeAndErase(writable, ctx));
  if (tried) return tried;
  return [{ severity: "info", finding: "not tried: another process is working on this host just now" }];
}

async function makeAndErase(host: WritableHost, ctx: OpContext): Promise<readonly Finding[]> {
  const steady: OpContext = { ...ctx, signal: new AbortController().signal };
  const request = parseRequest(trialRequest());
  const { id } = request.server;
  await createInstance(host, request, ctx);
  const findings: Finding[] = [];
  try {
    const [report] = await verifyDisks(host, id, ctx);
    const failed =
      report?.disks.flatMap(({ checks }) => checks.filter(({ result }) => result === "fail")) ?? [];
    for (const { name, message } of failed) {
      const finding = `a disk that was just made does not verify: ${name}: ${message}`;
      findings.push({ severity: "error", finding, fix: fixOf("DiskNotProven") });
    }
  } finally {
    await deleteInstance(host, findInstance(host, id), { forgetMissing: false }, steady);
  }
  return findings;
}

/** A guest that boots from a volume of somebody else's, with one MiB of encrypted swap on this host. */
function trialRequest(): unknown {
  const volume = randomUUID();
  const extra_specs = { "hw:ephemeral_encryption": "true" };
  return {
    server: {
      id: randomUUID(),
      name: "luksmith-doctor",
      flavor: { vcpus: 1, ram: 64, disk: 0, ephemeral: 0, swap: 1, extra_specs },
    },
    image: null,
    block_device_mapping_v2: [
      { source_type: "volume", destination_type: "volume", uuid: volume, boot_index: 0, volume_size: 1 },
    ],
  };
}
