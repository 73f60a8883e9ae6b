import { rmdir } from "node:fs/promises";
import { errnoOf, ioError } from "../../errors/io-error.ts";
import { isLuksmithError } from "../../errors/luksmith-error.ts";
import { diskToJson, type ImageDisk } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import { sameIdentity } from "../../image/same-identity.ts";
import type { GoneRecord } from "../../journal/gone.ts";
import type { WritableHost } from "../host.ts";
import { finishDelete } from "../operations/finish-delete.ts";
import { type SagaStep, sagaStep } from "../operations/steps.ts";
import type { GcAct } from "./discrepancy.ts";
import { neededSecrets, recordedDisks } from "./world.ts";

/**
 * Does one thing, with its instance or snapshot reserved, after looking once more whether that is still right. In the journal before
 * it is done, so that recovery finishes what a crash cuts short.
 * @returns why not, where something speaks against it by now
 * @throws `InstanceBusy`, `RecoveryIncomplete`, `EphemeralEncryptionCleanupFailed`
 */
export async function carryOutAct(host: WritableHost, act: GcAct, ctx: OpContext): Promise<string | undefined> {
  using _claim = host.claim(act.subject);
  const refusal = await objection(host, act, ctx);
  if (refusal !== undefined) return refusal;
  if (act.kind === "remove-directory") return await removeEmpty(act.path);
  const operation = host.journal.begin("gc", act.subject, ctx, {}, [sagaStep(stepOf(act))]);
  await finishDelete(host, await host.services(), operation, act.subject, ctx);
  return undefined;
}

function stepOf(act: Exclude<GcAct, { kind: "remove-directory" }>): SagaStep {
  switch (act.kind) {
    case "forget-secret":
      return { kind: "forget", data: { id: act.id } };
    case "forget-copy":
      return { kind: "forget-copy", data: { id: act.id } };
    case "take-key":
      return { kind: "take-keys", data: { keys: [act.key] } };
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
  const needed = neededSecrets({ instances, snapshots: inventory.snapshots() });
  switch (act.kind) {
    case "forget-secret": {
      if (needed.has(act.id)) return "something recorded needs it by now";
      const disk = recordedDisks({ instances }).find(({ uuid }) => uuid === act.superseded);
      if (act.superseded === undefined) return undefined;
      if (!disk) return "its disk has left this host meanwhile";
      // The other passphrase must open the disk: this one may be the only one that does.
      const image = (await host.services()).backend(disk.backend).image(disk);
      return await image.requireOpens(ctx).then(
        () => undefined,
        (error: unknown) => `the disk's own passphrase was not shown to open it: ${messageOf(error)}`,
      );
    }
    case "forget-copy":
      return needed.has(act.id) ? "something recorded needs it by now" : undefined;
    case "take-key": {
      if (needed.has(act.key.secretId)) return "something recorded needs it by now";
      const { hypervisor } = await host.services();
      const state = await hypervisor.state(act.subject, ctx);
      return state === "absent" ? undefined : "a guest of this instance is defined";
    }
    case "remove-disk":
      return await objectionToRemoval(host, act.gone, ctx);
    case "remove-directory":
      return instances.some(({ uuid }) => uuid === act.subject) ? "the instance is here by now" : undefined;
  }
}

async function objectionToRemoval(
  host: WritableHost,
  gone: GoneRecord,
  ctx: OpContext,
): Promise<string | undefined> {
  if (host.inventory.instance(gone.instanceUuid)) return "the instance is here by now";
  const backend = (await host.services()).backend(gone.backend ?? "");
  const found = await backend.image(diskOf(gone)).identify(ctx);
  if (!found || !sameIdentity(found, gone.identity)) return "something else has its name by now";
  for await (const disk of backend.list?.(ctx) ?? []) {
    if (!sameIdentity(disk.identity, gone.identity)) continue;
    return (disk.keySlots ?? 0) === 0 ? undefined : "it has key slots: somebody has restored it";
  }
  return "it was not found again";
}

function diskOf({ instanceUuid, name, uuid, virtualSize, secretId }: GoneRecord): ImageDisk {
  return { instanceUuid, name, uuid, virtualSize, encryption: { format: "luks", secretId: secretId ?? null } };
}

/** The kernel removes it only if it is empty. */
async function removeEmpty(path: string): Promise<string | undefined> {
  try {
    await rmdir(path);
    return undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    if (errnoOf(error) === "ENOTEMPTY" || errnoOf(error) === "EEXIST") return "it is not empty any more";
    throw ioError(error, `removing ${path}`);
  }
}

function messageOf(error: unknown): string {
  return isLuksmithError(error) ? error.message : String(error);
}
