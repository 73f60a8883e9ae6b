import { openFileHeader } from "../../file/file-header-store.ts";
import { fileIdentity } from "../../file/file-identity.ts";
import { removeName } from "../../file/new-file.ts";
import { eraseAndProve } from "../../image/erasure.ts";
import type { OpContext } from "../../image/op-context.ts";
import { sameIdentity } from "../../image/same-identity.ts";
import type { HostServices } from "../host-services.ts";
import type { ErasureLog } from "../receipts/erasure-log.ts";
import type { SagaStep } from "./steps.ts";

/** Sectors: where a snapshot in the raw format has its payload. */
const PAYLOAD_OFFSET = 4096;

type RemoveFile = Extract<SagaStep, { readonly kind: "remove-file" }>["data"];

/** The step `remove-file`; idempotent; leaves a file alone that is not the recorded one. */
export async function removeSnapshotFile(
  services: HostServices,
  file: RemoveFile,
  erasures: ErasureLog,
  ctx: OpContext,
): Promise<void> {
  const found = await fileIdentity(file.path);
  if (!found || !sameIdentity(found, file.identity)) return;
  if (file.erase) {
    await using store = await openFileHeader(file.path, file.identity);
    const { uuid, secretId } = file;
    // A step that an earlier version wrote does not say whose it is.
    const record = uuid === undefined ? undefined : erasures.recorder(uuid);
    const target = {
      label: `the snapshot ${file.path}`,
      secretId: record ? secretId : undefined,
      payloadOffset: PAYLOAD_OFFSET,
    };
    const erasure = await eraseAndProve(target, store, services.lent, ctx);
    record?.(erasure);
  }
  await removeName(file.path);
}
