import { diskFromJson } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { OpenOperation } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import { finishDelete } from "../operations/finish-delete.ts";
import { readStep, type SagaStep } from "../operations/steps.ts";
import {
  NEEDED,
  neededNow,
  objectionToForgetting,
  objectionToOther,
  objectionToRemoval,
} from "./objections.ts";

/**
 * Ends what a killed gc has begun: to its end, unless something speaks against it by now (somebody has restored the disk meanwhile).
 * Then it is let be, and the next gc judges anew.
 */
export async function settleGc(
  host: WritableHost,
  open: OpenOperation,
  ctx: OpContext,
): Promise<"finished" | "undone"> {
  const { subject, steps } = open;
  const operation = host.journal.resume(open);
  for (const step of steps.map(readStep)) {
    const reason = await objection(host, open, step, ctx);
    if (reason === undefined) continue;
    ctx.log.warn({ subject, reason }, "did not go on with what gc had begun");
    operation.end("undone");
    return "undone";
  }
  await finishDelete(host, await host.services(), operation, subject, ctx);
  return "finished";
}

async function objection(
  host: WritableHost,
  { data }: OpenOperation,
  step: SagaStep,
  ctx: OpContext,
): Promise<string | undefined> {
  switch (step.kind) {
    case "remove": {
      const { backend, disk } = step.data;
      const image = (await host.services()).backend(backend).image(diskFromJson(disk));
      // It may be done already.
      return (await image.identify(ctx)) ? await objectionToRemoval(host, step.data, ctx) : undefined;
    }
    case "forget": {
      const { id } = step.data;
      if (neededNow(host).has(id)) return NEEDED;
      const superseded = supersededBy(data);
      if (superseded !== undefined) return await objectionToOther(host, superseded, ctx);
      const gone = host.inventory.gone().find(({ secretId }) => secretId === id);
      return gone && (await objectionToForgetting(host, gone, ctx));
    }
    case "forget-copy":
      return neededNow(host).has(step.data.id) ? NEEDED : undefined;
    case "take-keys":
      return step.data.keys.some(({ secretId }) => neededNow(host).has(secretId)) ? NEEDED : undefined;
    default:
      return undefined;
  }
}

function supersededBy(data: OpenOperation["data"]): string | undefined {
  const uuid = typeof data === "object" && data !== null && "superseded" in data ? data["superseded"] : null;
  return typeof uuid === "string" ? uuid : undefined;
}
