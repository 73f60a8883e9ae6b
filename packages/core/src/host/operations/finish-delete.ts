import { LuksmithError } from "../../errors/luksmith-error.ts";
import { diskFromJson } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { Operation, OperationKind, Step } from "../../journal/journal.ts";
import type { ReceiptRecord } from "../../journal/receipts.ts";
import { endGuest, takeKeys } from "../guests/end-guest.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { ErasureLog } from "../receipts/erasure-log.ts";
import { writeReceipts } from "../receipts/write-receipts.ts";
import { noteFailure } from "./note-failure.ts";
import { removeEmptyDirectory } from "./remove-directory.ts";
import { carryOutRemoval } from "./removal.ts";
import { removeSnapshotFile } from "./remove-snapshot-file.ts";
import { replaceDisk } from "./replace-disk.ts";
import { readStep, type SagaStep } from "./steps.ts";
import { undoSecret } from "./undo.ts";

const DAY_MS = 86_400_000;

/** Carries what only goes forward to its end; idempotent, so that `recover` can call it again. */
export async function finishDelete(
  host: WritableHost,
  services: HostServices,
  operation: Operation,
  uuid: string,
  ctx: OpContext,
  steps: readonly Step[] = operation.steps,
): Promise<void> {
  const { erase_receipts: wanted, erase_receipts_days: days } = host.config.luksmith;
  const erasures = new ErasureLog(operation, wanted);
  const deleted = new Map<string, string>();
  let receipts: readonly ReceiptRecord[];
  try {
    for (const step of steps.slice()) {
      const saga = readStep(step);
      await carryOut(services, saga, erasures, ctx);
      if (saga.kind === "forget") deleted.set(saga.data.id, new Date().toISOString());
    }
    const open = wanted ? host.journal.stillOpen(operation.id) : undefined;
    receipts = open ? await writeReceipts(host, services, { operation: open, erasures, deleted }) : [];
  } catch (error) {
    noteFailure(operation, error);
    throw unfinished(operation.kind, uuid, error);
  }
  operation.end("done", () => {
    for (const receipt of receipts) host.inventory.receipts.add(receipt);
    if (days > 0) host.inventory.receipts.removeOlder(new Date(Date.now() - days * DAY_MS).toISOString());
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

async function carryOut(
  services: HostServices,
  step: SagaStep,
  erasures: ErasureLog,
  ctx: OpContext,
): Promise<void> {
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
    case "remove":
      await carryOutRemoval(services, step.data, erasures, ctx);
      return;
    case "replace":
      await replaceDisk(services, step.data, erasures, ctx);
      return;
    // What an operation has made before it began to go forward stays; what it has erased is erased.
    case "image":
    case "erased":
      return;
    case "forget-copy":
      await services.copies.forget(step.data.id, ctx);
      return;
    case "remove-copy": {
      const { backend, disk, path, identity } = step.data;
      await services.backend(backend).image(diskFromJson(disk)).removeCopy(path, identity, ctx);
      return;
    }
    case "remove-directory":
      await removeEmptyDirectory(step.data.path);
      return;
    case "remove-file":
      await removeSnapshotFile(services, step.data, erasures, ctx);
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
