import { randomUUID } from "node:crypto";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { fileIdentity } from "../../file/file-identity.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { InstanceRecord, SnapshotRecord } from "../../journal/inventory.ts";
import type { WritableHost } from "../host.ts";
import { runningUnder } from "../guests/find-guest.ts";
import { requireLiveCopy, snapshotRunning } from "../guests/snapshot-running.ts";
import { diskOf } from "./resize-disk.ts";
import { OperationSecrets } from "./operation-secrets.ts";
import { journaledRollback, takeBack } from "./undo.ts";

export interface SnapshotRequest {
  readonly disk: string;
  /** Absolute; must not exist. */
  readonly target: string;
  readonly format: "raw" | "qcow2";
  /** Write it in clear; otherwise the copy of an encrypted disk gets a passphrase and a volume key of its own. */
  readonly plain: boolean;
}

/**
 * Copies a disk to a file, never in clear on the way. A guest that uses it must be one that Luksmith runs.
 * @throws `TargetExists`, `DiskInUse`, `DiskReplaced`, `DiskNotFound`, `NoSpace`, `Cancelled`
 */
export async function snapshotDisk(
  host: WritableHost,
  instance: InstanceRecord,
  request: SnapshotRequest,
  ctx: OpContext,
): Promise<SnapshotRecord> {
  using _claim = host.claim(instance.uuid);
  const record = diskOf(instance, request.disk);
  if (await fileIdentity(request.target)) {
    throw new LuksmithError(
      "TargetExists",
      `${request.target} exists already and was not touched; choose another name`,
      {
        details: { path: request.target },
      },
    );
  }
  const services = await host.services();
  const image = services.backend(record.backend).image(record);
  if (!(await image.requireOurs(record.identity, ctx))) {
    throw new LuksmithError("DiskNotFound", `${record.path} is not there; there is nothing to copy`);
  }
  const running = await runningUnder(host, instance.uuid, ctx);
  if (running) requireLiveCopy(record, image, request);
  const uuid = randomUUID();
  using _own = host.claim(uuid); // so that recovery beside it knows that somebody works on it
  const encrypted = record.encryption !== undefined && !request.plain;
  const name = `Ephemeral encryption secret for snapshot ${uuid} of instance ${instance.uuid}`;
  const names = encrypted ? [name] : [];
  const secrets = await OperationSecrets.plan(services.keys, names, instance, ctx);
  const operation = host.journal.begin("snapshot", uuid, ctx, {}, secrets.steps);
  try {
    using passphrase = encrypted ? services.luks.generatePassphrase() : undefined;
    const consumer = { resourceType: "snapshot", resourceId: uuid } as const;
    const secret = passphrase && (await secrets.make(operation, name, passphrase, consumer, ctx));
    const target = {
      path: request.target,
      format: request.format,
      uuid,
      operation: operation.id,
      ...(passphrase ? { passphrase } : {}),
    };
    const undo = journaledRollback(operation, record.backend, image);
    const identity = running
      ? await snapshotRunning(
          services,
          { instance, record, image, secretId: secret?.id, operation },
          target,
          undo,
          ctx,
        )
      : await image.snapshot(target, undo, ctx);
    const snapshot: SnapshotRecord = {
      uuid,
      instanceUuid: instance.uuid,
      diskName: record.name,
      path: request.target,
      format: request.format,
      virtualSize: record.virtualSize,
      encryption: secret ? { format: "luks", secretId: secret.id } : undefined,
      identity,
      createdAt: new Date().toISOString(),
    };
    operation.end("done", () => host.inventory.addSnapshot(snapshot));
    return snapshot;
  } catch (error) {
    throw await takeBack(services, operation, error, ctx, secrets);
  }
}
