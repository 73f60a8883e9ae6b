import { diskFromJson } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import { sameIdentity } from "../../image/same-identity.ts";
import type { ErasureLog } from "../receipts/erasure-log.ts";
import type { HostServices } from "../host-services.ts";
import type { SagaStep } from "./steps.ts";

type Replace = Extract<SagaStep, { readonly kind: "replace" }>["data"];

/** The step `replace`. Idempotent: what has its name by now is not taken for the old one. */
export async function replaceDisk(
  services: HostServices,
  { old, waiting, name }: Replace,
  erasures: ErasureLog,
  ctx: OpContext,
): Promise<void> {
  const next = diskFromJson(waiting.disk);
  const backend = services.backend(waiting.backend);
  const found = await backend.image({ ...next, name }).identify(ctx);
  const done = found !== undefined && sameIdentity(found, waiting.identity);
  if (!done && old.identity) {
    const image = services.backend(old.backend).image(diskFromJson(old.disk));
    await image.remove(old.identity, ctx, erasures.recorder(image.disk.uuid));
  }
  await backend.image(next).rename?.(waiting.identity, name, ctx);
}
