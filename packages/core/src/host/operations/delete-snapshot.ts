import { LuksmithError } from "../../errors/luksmith-error.ts";
import { fileIdentity } from "../../file/file-identity.ts";
import type { OpContext } from "../../image/op-context.ts";
import { sameIdentity } from "../../image/same-identity.ts";
import type { SnapshotRecord } from "../../journal/inventory.ts";
import type { WritableHost } from "../host.ts";
import { requireReceipts } from "../receipts/require-receipts.ts";
import { type DeleteOptions, diskMissing } from "./delete-instance.ts";
import { finishDelete } from "./finish-delete.ts";
import { requireKeyOwner } from "./key-owner.ts";
import { invoker } from "./reveal-secret.ts";
import { sagaStep } from "./steps.ts";

/**
 * Removes a snapshot's file, then its secret.
 * @throws `DiskReplaced`, `DiskNotFound`, and as `requireKeyOwner`, with nothing changed
 */
export async function deleteSnapshot(
  host: WritableHost,
  snapshot: SnapshotRecord,
  options: DeleteOptions,
  ctx: OpContext,
): Promise<void> {
  using _claim = host.claim(snapshot.uuid);
  const found = await fileIdentity(snapshot.path);
  if (!found && snapshot.encryption && !options.forgetMissing) {
    throw diskMissing(snapshot.path, `snapshot ${snapshot.uuid} (${snapshot.path})`);
  }
  if (found && !sameIdentity(found, snapshot.identity)) {
    throw new LuksmithError(
      "DiskReplaced",
      `${snapshot.path} is not the snapshot that was written there; nothing was touched`,
    );
  }
  const services = await host.services();
  if (snapshot.encryption) {
    const { instanceUuid } = snapshot;
    await requireKeyOwner(services.keys, instanceUuid, host.inventory.instance(instanceUuid)?.projectId, ctx);
  }
  const erase = snapshot.encryption !== undefined && snapshot.format === "raw";
  await requireReceipts(host);
  const { uuid, path, identity } = snapshot;
  const secretId = snapshot.encryption?.secretId;
  const secret = secretId ? { secretId } : {};
  const file = sagaStep({ kind: "remove-file", data: { path, identity, erase, uuid, ...secret } });
  const steps = secretId ? [file, sagaStep({ kind: "forget", data: { id: secretId } })] : [file];
  const data = { operator: invoker() };
  const operation = host.journal.begin("delete-snapshot", snapshot.uuid, ctx, data, steps);
  await finishDelete(host, services, operation, snapshot.uuid, ctx);
}
