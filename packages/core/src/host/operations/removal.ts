import { type DiskIdentity, diskToJson } from "../../image/image-disk.ts";
import type { Image } from "../../image/image.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { Step } from "../../journal/journal.ts";
import { sagaStep } from "./steps.ts";

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
