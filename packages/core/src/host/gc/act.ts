import { stat } from "node:fs/promises";
import { diskToJson } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { WritableHost } from "../host.ts";
import { finishDelete } from "../operations/finish-delete.ts";
import { invoker } from "../operations/reveal-secret.ts";
import { type SagaStep, sagaStep } from "../operations/steps.ts";
import { requireReceipts } from "../receipts/require-receipts.ts";
import type { GcAct } from "./discrepancy.ts";
import {
  diskOf,
  HERE,
  NEEDED,
  neededNow,
  objectionToForgetting,
  objectionToOther,
  objectionToRemoval,
} from "./objections.ts";

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
  const superseded = act.kind === "forget-secret" ? (act.superseded ?? null) : null;
  const data = { operator: invoker(), superseded };
  const operation = host.journal.begin("gc", act.subject, ctx, data, [sagaStep(stepOf(act))]);
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
    case "remove-disk":
      return { kind: "remove", data: removalOf(act) };
  }
}

function removalOf({ gone }: Extract<GcAct, { readonly kind: "remove-disk" }>) {
  const { backend = "", identity } = gone;
  return { backend, disk: diskToJson(diskOf(gone)), identity };
}

/** What speaks against it now, with nothing else going on with its instance. */
async function objection(host: WritableHost, act: GcAct, ctx: OpContext): Promise<string | undefined> {
  const needed = neededNow(host);
  switch (act.kind) {
    case "forget-secret":
      if (needed.has(act.id)) return NEEDED;
      if (act.gone) return await objectionToForgetting(host, act.gone, ctx);
      return await objectionToOther(host, act.superseded, ctx);
    case "forget-copy":
      return needed.has(act.id) ? NEEDED : undefined;
    case "take-key": {
      if (needed.has(act.key.secretId)) return NEEDED;
      const { hypervisor } = await host.services();
      const state = await hypervisor.state(act.subject, ctx);
      return state === "absent" ? undefined : "a guest of this instance is defined";
    }
    case "remove-disk":
      return await objectionToRemoval(host, removalOf(act), ctx);
    case "remove-directory": {
      if (host.inventory.instance(act.subject)) return HERE;
      const now = await stat(act.path).catch(() => undefined);
      return now?.ctime.toISOString() === act.changedAt
        ? undefined
        : "somebody has used the directory meanwhile";
    }
  }
}
