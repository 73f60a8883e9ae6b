import { isLuksmithError, LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { OpenOperation, Operation, OperationKind } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { finishArrival, hasArrived } from "../guests/adopt-guest.ts";
import { settlePower } from "../guests/power-on.ts";
import { finishStop } from "../guests/stop-guest.ts";
import { settleGc } from "../gc/settle-gc.ts";
import { finishSwap } from "../legacy/swap-disk.ts";
import { finishDelete } from "./finish-delete.ts";
import { settleOpenBase } from "./flatten-disk.ts";
import { settleOpenSend } from "../guests/send-guest.ts";
import { noteFailure } from "./note-failure.ts";
import { finishRekey, rekeyIsInForce } from "./rekey-disks.ts";
import { settleOpenResize } from "./resize-disk.ts";
import { undoSteps } from "./undo.ts";

export interface RecoveredOperation {
  readonly operation: string;
  readonly kind: OperationKind;
  /** The instance's or snapshot's UUID. */
  readonly subject: string;
  readonly startedAt: string;
  /** `failed`: the next recovery tries again. */
  readonly outcome: "undone" | "finished" | "settled" | "failed";
  readonly error?: string;
  /** Whether what failed may succeed later by itself. */
  readonly retryable?: boolean;
}

export interface RecoveryReport {
  readonly operations: readonly RecoveredOperation[];
}

/**
 * Ends what an earlier process left unfinished, oldest first: a create, spawn or snapshot is taken back, a delete finished, a
 * resize, flatten or rebase settled by what the storage says, a rekey finished if the new passphrase is in force and taken
 * back if not. Idempotent; one that fails does not keep the others. What this process is working on is left alone.
 * @param of only those of this instance or snapshot
 */
export async function recover(host: WritableHost, ctx: OpContext, of?: string): Promise<RecoveryReport> {
  const operations: RecoveredOperation[] = [];
  for (const { id: operation, kind, subject, startedAt } of host.journal.unfinished()) {
    if (of !== undefined && of !== subject) continue;
    using claim = host.takeOver(subject);
    // Looked at again: it may have ended while those before it were recovered.
    const open = claim && host.journal.stillOpen(operation);
    if (!open) continue;
    try {
      const outcome = await endOperation(host, open, ctx);
      operations.push({ operation, kind, subject, startedAt, outcome });
      ctx.log.warn({ operation, kind, subject, outcome }, "ended what an earlier process left unfinished");
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      // Who raises that has noted it.
      const noted = isLuksmithError(error) && error.code === "EphemeralEncryptionCleanupFailed";
      if (!noted) noteFailure(host.journal.resume(open), error);
      operations.push({
        operation,
        kind,
        subject,
        startedAt,
        outcome: "failed",
        error: message,
        retryable: isLuksmithError(error) && error.retryable,
      });
      ctx.log.error(
        { operation, kind, subject, err: error },
        "could not end what an earlier process left unfinished",
      );
    }
  }
  return { operations };
}

async function endOperation(
  host: WritableHost,
  open: OpenOperation,
  ctx: OpContext,
): Promise<RecoveredOperation["outcome"]> {
  const services = await host.services();
  switch (open.kind) {
    case "create":
    case "spawn":
    case "adopt":
    case "expect":
    case "reencrypt":
    case "rescue":
    case "snapshot":
      return await undo(services, host.journal.resume(open), ctx);
    case "gc":
      return await settleGc(host, open, ctx);
    case "delete":
    case "unrescue":
    case "delete-snapshot":
      await finishDelete(host, services, host.journal.resume(open), open.subject, ctx);
      return "finished";
    case "swap":
    case "abandon":
      await finishSwap(host, services, host.journal.resume(open), ctx);
      return "finished";
    case "rekey": {
      const operation = host.journal.resume(open);
      if (!rekeyIsInForce(open.steps)) return await undo(services, operation, ctx);
      await finishRekey(host, services, operation, ctx);
      return "finished";
    }
    case "rebuild":
    case "shelve":
      if (!oldDisksGo(open)) return await undo(services, host.journal.resume(open), ctx);
      await finishDelete(host, services, host.journal.resume(open), open.subject, ctx);
      return "finished";
    case "unshelve":
    case "evacuate":
      if (!hasArrived(open.steps)) return await undo(services, host.journal.resume(open), ctx);
      await finishArrival(host, services, host.journal.resume(open), open.subject, ctx);
      return "finished";
    case "flatten":
    case "rebase":
      await settleOpenBase(host, open, ctx);
      return "settled";
    case "resize":
      await settleOpenResize(host, open, ctx);
      return "settled";
    case "start":
    case "reboot":
      await settlePower(host, host.journal.resume(open), open.subject, ctx);
      return "settled";
    case "send": {
      const fate = await settleOpenSend(host, open, ctx);
      return fate === "gone" ? "finished" : fate === "here" ? "undone" : "settled";
    }
    case "stop":
      await finishStop(host, open, ctx);
      return "finished";
  }
}

/** Whether a rebuild or a shelving had come so far that it began to remove the old disks. */
function oldDisksGo({ steps }: OpenOperation): boolean {
  return steps.some(({ kind }) => kind === "replace" || kind === "remove");
}

async function undo(services: HostServices, operation: Operation, ctx: OpContext): Promise<"undone"> {
  const failures = await undoSteps(services, operation.steps, ctx);
  if (failures.length > 0) {
    throw new LuksmithError("RecoveryIncomplete", failures.map((failure) => failure.message).join("; "), {
      cause: failures[0],
    });
  }
  operation.end("undone");
  return "undone";
}
