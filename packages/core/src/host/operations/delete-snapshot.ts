import { LuksmithError } from "../../errors/luksmith-error.ts";
import { fileIdentity } from "../../file/file-identity.ts";
import type { OpContext } from "../../image/op-context.ts";
import { sameIdentity } from "../../image/same-identity.ts";
import type { SnapshotRecord } from "../../journal/inventory.ts";
import type { WritableHost } from "../host.ts";
import { finishDelete } from "./delete-instance.ts";
import { requireSettled } from "./require-settled.ts";
import { sagaStep } from "./steps.ts";

/**
 * Removes a snapshot's file, then its secret. A file that was moved away is left alone, its secret with it.
 * @throws `DiskReplaced`, `DiskNotFound` with nothing changed
 */
export async function deleteSnapshot(
  host: WritableHost,
  snapshot: SnapshotRecord,
  ctx: OpContext,
): Promise<void> {
  requireSettled(host, snapshot.uuid);
  const found = await fileIdentity(snapshot.path);
  if (!found && snapshot.encryption) {
    throw new LuksmithError(
      "DiskNotFound",
      `the snapshot ${snapshot.path} is not there: if it was moved, its passphrase is still needed; put it back to delete both`,
      { details: { path: snapshot.path, snapshot: snapshot.uuid } },
    );
  }
  if (found && !sameIdentity(found, snapshot.identity)) {
    throw new LuksmithError(
      "DiskReplaced",
      `${snapshot.path} is not the snapshot that was written there; nothing was touched`,
    );
  }
  const erase = snapshot.encryption !== undefined && snapshot.format === "raw";
  const file = sagaStep({
    kind: "remove-file",
    data: { path: snapshot.path, identity: snapshot.identity, erase },
  });
  const secretId = snapshot.encryption?.secretId;
  const steps = secretId ? [file, sagaStep({ kind: "forget", data: { id: secretId } })] : [file];
  const operation = host.journal.begin("delete-snapshot", snapshot.uuid, ctx.requestId, {}, steps);
  await finishDelete(host, await host.services(), operation, snapshot.uuid, ctx);
}
