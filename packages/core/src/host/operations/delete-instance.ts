import { LuksmithError } from "../../errors/luksmith-error.ts";
import { diskFromJson, diskToJson, ownSecret } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { InstanceRecord } from "../../journal/inventory.ts";
import type { Operation, OperationKind, Step } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { endGuest, takeKeys } from "../guests/end-guest.ts";
import { isUp } from "../guests/find-guest.ts";
import { keysOfOneGuest } from "../guests/guest-keys.ts";
import { requireKeyOwner } from "./key-owner.ts";
import { removeSnapshotFile } from "./remove-snapshot-file.ts";
import { replaceDisk } from "./replace-disk.ts";
import { readStep, type SagaStep, sagaStep } from "./steps.ts";
import { undoSecret } from "./undo.ts";
import { keySteps, unfinishedChanges } from "./unfinished-changes.ts";

export interface DeleteOptions {
  /** Also where an encrypted disk is not found: whoever says so knows that it is gone for good. */
  readonly forgetMissing: boolean;
}

/**
 * Ends an instance's guest if Luksmith runs it, erases and removes its disks, then its secrets (never before: a secret is kept while its disk may exist).
 * Once begun it goes forward only; what a crash or an unreachable key manager leaves, `recover` finishes.
 * @throws `DiskNotFound`, `DiskReplaced`, `DiskInUse`, and as `requireKeyOwner`, with nothing changed
 */
export async function deleteInstance(
  host: WritableHost,
  instance: InstanceRecord,
  options: DeleteOptions,
  ctx: OpContext,
): Promise<void> {
  const open = options.forgetMissing ? unfinishedChanges(host, instance.uuid) : [];
  using _claim = host.claim(instance.uuid, open);
  const services = await host.services();
  const guest = host.inventory.guests.find(instance.uuid);
  const running = guest !== undefined && isUp(await services.hypervisor.state(guest.uuid, ctx));
  const steps: Step[] = guest ? [sagaStep({ kind: "end-guest", data: { uuid: guest.uuid } })] : [];
  for (const record of instance.disks) {
    const image = services.backend(record.backend).image(record);
    const identity = await image.requireOurs(record.identity, ctx);
    if (!identity && record.encryption && !options.forgetMissing) throw diskMissing(record.path, image.label);
    if (!running) await image.requireIdle(ctx);
    steps.push(
      sagaStep({
        kind: "remove",
        data: { backend: record.backend, disk: diskToJson(record), identity: identity ?? null },
      }),
    );
  }
  if (instance.disks.some(({ encryption }) => encryption)) {
    await requireKeyOwner(services.keys, instance.uuid, instance.projectId, ctx);
  }
  if (guest) steps.push(sagaStep({ kind: "take-keys", data: { keys: keysOfOneGuest(host, instance) } }));
  const secrets = new Set(instance.disks.flatMap(({ encryption }) => ownSecret(encryption) ?? []));
  steps.push(...[...secrets].map((id) => sagaStep({ kind: "forget", data: { id } })));
  steps.push(...open.flatMap(keySteps));
  const operation = host.journal.begin("delete", instance.uuid, ctx, {}, steps, open);
  await finishDelete(host, services, operation, instance.uuid, ctx);
}

/** Carries what only goes forward to its end; idempotent, so that `recover` can call it again. */
export async function finishDelete(
  host: WritableHost,
  services: HostServices,
  operation: Operation,
  uuid: string,
  ctx: OpContext,
  steps: readonly Step[] = operation.steps,
): Promise<void> {
  for (const step of steps) {
    try {
      await carryOut(services, readStep(step), ctx);
    } catch (error) {
      throw unfinished(operation.kind, uuid, error);
    }
  }
  operation.end("done", () => {
    switch (operation.kind) {
      case "delete":
      case "shelve":
        return host.inventory.removeInstance(uuid);
      case "delete-snapshot":
        return host.inventory.removeSnapshot(uuid);
      case "unrescue":
        return host.inventory.guests.setRescued(uuid, undefined);
      default: // It was told when the operation began to go forward only.
        return undefined;
    }
  });
  ctx.log.info({ subject: uuid, operation: operation.kind }, "finished");
}

async function carryOut(services: HostServices, step: SagaStep, ctx: OpContext): Promise<void> {
  switch (step.kind) {
    case "end-guest":
      await endGuest(services.hypervisor, step.data.uuid, ctx);
      return;
    case "power":
      await services.hypervisor.destroy(step.data.uuid, ctx);
      return;
    case "take-keys":
      await takeKeys(services.hypervisor, step.data.keys, ctx);
      return;
    case "remove": {
      const { backend, disk, identity } = step.data;
      if (identity) await services.backend(backend).image(diskFromJson(disk)).remove(identity, ctx);
      return;
    }
    case "replace":
      await replaceDisk(services, step.data, ctx);
      return;
    // What an operation has made before it began to go forward stays.
    case "image":
      return;
    case "forget-copy":
      await services.forgetCopy(step.data.id, ctx);
      return;
    case "remove-copy": {
      const { backend, disk, path, identity } = step.data;
      await services.backend(backend).image(diskFromJson(disk)).removeCopy(path, identity, ctx);
      return;
    }
    case "remove-file":
      await removeSnapshotFile(step.data, ctx);
      return;
    case "forget":
    case "secret-made":
      await services.keys.delete({ id: step.data.id }, ctx);
      return;
    case "secret":
      await undoSecret(services.keys, step.data, undefined, ctx);
      return;
    default:
      throw new LuksmithError(
        "JournalCorrupt",
        `the journal holds a step ${step.kind} that a delete does not have; use the version that wrote it`,
      );
  }
}

function unfinished(kind: OperationKind, uuid: string, error: unknown): LuksmithError {
  const doing = kind.startsWith("delete") ? "deleting" : `the ${kind} of`;
  const reason = error instanceof Error ? error.message : String(error);
  return new LuksmithError(
    "EphemeralEncryptionCleanupFailed",
    `${doing} ${uuid} began and could not be finished: ${reason}. It will be finished by the next command, or now by "luksmith recover"`,
    { cause: error, details: { subject: uuid } },
  );
}

/** A disk that cannot be seen may still exist (a file system that is not mounted), and then needs its secret. */
export function diskMissing(path: string, label: string): LuksmithError {
  return new LuksmithError(
    "DiskNotFound",
    `${label} is not there, and its passphrase would be deleted: mount its file system or put it back; if it is gone for good, delete with --forget-missing`,
    { details: { path } },
  );
}
