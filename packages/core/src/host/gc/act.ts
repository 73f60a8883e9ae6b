import { stat } from "node:fs/promises";
import { isLuksmithError } from "../../errors/luksmith-error.ts";
import { fileIdentity } from "../../file/file-identity.ts";
import { diskToJson, type ImageDisk } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import { sameIdentity } from "../../image/same-identity.ts";
import type { GoneRecord } from "../../journal/gone.ts";
import type { WritableHost } from "../host.ts";
import { finishDelete } from "../operations/finish-delete.ts";
import { invoker } from "../operations/reveal-secret.ts";
import { type SagaStep, sagaStep } from "../operations/steps.ts";
import { requireReceipts } from "../receipts/require-receipts.ts";
import { copiesOf } from "./copies-of.ts";
import type { GcAct } from "./discrepancy.ts";
import { neededSecrets } from "./world.ts";

const NEEDED = "something recorded needs it by now";
const HERE = "the instance is here by now";

/**
 * Does one thing, with its instance or snapshot reserved, after looking once more whether that is still right. In the journal before
 * it is done, so that recovery finishes what a crash cuts short.
 * @returns why not, where something speaks against it by now
 * @throws `InstanceBusy`, `RecoveryIncomplete`, `EphemeralEncryptionCleanupFailed`
 */
export async function carryOutAct(
  host: WritableHost,
  act: GcAct,
  ctx: OpContext,
): Promise<string | undefined> {
  using _claim = host.claim(act.subject);
  const refusal = await objection(host, act, ctx);
  if (refusal !== undefined) return refusal;
  await requireReceipts(host);
  const operation = host.journal.begin("gc", act.subject, ctx, { operator: invoker() }, [
    sagaStep(stepOf(act)),
  ]);
  await finishDelete(host, await host.services(), operation, act.subject, ctx);
  return undefined;
}

function stepOf(act: GcAct): SagaStep {
  switch (act.kind) {
    case "forget-secret":
      return { kind: "forget", data: { id: act.id } };
    case "forget-copy":
      return { kind: "forget-copy", data: { id: act.id } };
    case "take-key":
      return { kind: "take-keys", data: { keys: [act.key] } };
    case "remove-directory":
      return { kind: "remove-directory", data: { path: act.path } };
    case "remove-disk": {
      const { backend = "", identity } = act.gone;
      return { kind: "remove", data: { backend, disk: diskToJson(diskOf(act.gone)), identity } };
    }
  }
}

/** What speaks against it now, with nothing else going on with its instance. */
async function objection(host: WritableHost, act: GcAct, ctx: OpContext): Promise<string | undefined> {
  const { inventory } = host;
  const instances = inventory.instances();
  const copying = instances.flatMap((instance) => copiesOf(inventory, instance));
  const needed = neededSecrets({ instances, snapshots: inventory.snapshots(), copying });
  switch (act.kind) {
    case "forget-secret":
      if (needed.has(act.id)) return NEEDED;
      if (act.gone) return await objectionToForgetting(host, act.gone, ctx);
      return await objectionToOther(host, act, ctx);
    case "forget-copy":
      return needed.has(act.id) ? NEEDED : undefined;
    case "take-key": {
      if (needed.has(act.key.secretId)) return NEEDED;
      const { hypervisor } = await host.services();
      const state = await hypervisor.state(act.subject, ctx);
      return state === "absent" ? undefined : "a guest of this instance is defined";
    }
    case "remove-disk":
      return await objectionToRemoval(host, act.gone, ctx);
    case "remove-directory": {
      if (inventory.instance(act.subject)) return HERE;
      const now = await stat(act.path).catch(() => undefined);
      return now?.ctime.toISOString() === act.changedAt
        ? undefined
        : "somebody has used the directory meanwhile";
    }
  }
}

/** The place at least is looked at again: all of the storage was, a moment ago. */
async function objectionToForgetting(
  host: WritableHost,
  gone: GoneRecord,
  ctx: OpContext,
): Promise<string | undefined> {
  const there = "something stands in the place of what it opened";
  if (gone.backend === undefined) return (await fileIdentity(gone.path)) ? there : undefined;
  if (host.inventory.instance(gone.instanceUuid)) return undefined;
  const image = (await host.services()).backend(gone.backend).image(diskOf(gone));
  return (await image.identify(ctx)) ? there : undefined;
}

/** The other passphrase must open the disk: this one may be the only one that does. */
async function objectionToOther(
  host: WritableHost,
  { superseded }: Extract<GcAct, { kind: "forget-secret" }>,
  ctx: OpContext,
): Promise<string | undefined> {
  const instances = host.inventory.instances();
  const disk = instances.flatMap(({ disks }) => disks).find(({ uuid }) => uuid === superseded);
  if (!disk) return "its disk has left this host meanwhile";
  const image = (await host.services()).backend(disk.backend).image(disk);
  return await image.requireOpens(ctx).then(
    () => undefined,
    (error: unknown) => `the disk's own passphrase was not shown to open it: ${messageOf(error)}`,
  );
}

async function objectionToRemoval(
  host: WritableHost,
  gone: GoneRecord,
  ctx: OpContext,
): Promise<string | undefined> {
  if (host.inventory.instance(gone.instanceUuid)) return HERE;
  const backend = (await host.services()).backend(gone.backend ?? "");
  const found = await backend.image(diskOf(gone)).identify(ctx);
  if (!found || !sameIdentity(found, gone.identity)) return "something else has its name by now";
  for await (const disk of backend.list?.(ctx) ?? []) {
    if (!sameIdentity(disk.identity, gone.identity)) continue;
    return disk.keySlots === 0
      ? undefined
      : "it is not what its erasure left: somebody has restored it, or uses it";
  }
  return "it was not found again";
}

function diskOf({ instanceUuid, name, uuid, virtualSize, secretId }: GoneRecord): ImageDisk {
  return {
    instanceUuid,
    name,
    uuid,
    virtualSize,
    encryption: { format: "luks", secretId: secretId ?? null },
  };
}

function messageOf(error: unknown): string {
  return isLuksmithError(error) ? error.message : String(error);
}
