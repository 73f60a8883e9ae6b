import { type DiskIdentity, diskFromJson, diskToJson } from "../../image/image-disk.ts";
import type { Image } from "../../image/image.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { Step } from "../../journal/journal.ts";
import type { HostServices } from "../host-services.ts";
import type { ErasureLog } from "../receipts/erasure-log.ts";
import { type SagaStep, sagaStep } from "./steps.ts";

/**
 * The step that erases and removes a disk.
 * @param identity what is there of it; undefined: nothing
 * @param receipts whether a receipt shall say what its header was
 */
export async function removal(
  record: DiskRecord,
  image: Image,
  identity: DiskIdentity | undefined,
  receipts: boolean,
  ctx: OpContext,
): Promise<Step> {
  const header = identity && receipts ? await image.headerFacts(ctx) : undefined;
  const data = { backend: record.backend, disk: diskToJson(record), identity: identity ?? null };
  return sagaStep({ kind: "remove", data: header ? { ...data, header } : data });
}

/** Carries out such a step. Idempotent. @throws `DiskReplaced`, `DiskInUse`, `DiskNotErased` */
export async function carryOutRemoval(
  services: HostServices,
  { backend, disk, identity }: Extract<SagaStep, { readonly kind: "remove" }>["data"],
  erasures: ErasureLog,
  ctx: OpContext,
): Promise<void> {
  if (!identity) return;
  const image = services.backend(backend).image(diskFromJson(disk));
  await image.remove(identity, ctx, erasures.recorder(image.disk.uuid));
}
