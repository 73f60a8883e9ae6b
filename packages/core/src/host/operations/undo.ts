import { isLuksmithError, LuksmithError } from "../../errors/luksmith-error.ts";
import { diskFromJson, diskToJson } from "../../image/image-disk.ts";
import type { Image } from "../../image/image.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { Rollback, UndoRecord } from "../../image/rollback.ts";
import type { Operation, Step } from "../../journal/journal.ts";
import type { HostServices } from "../host-services.ts";
import { readStep, type SagaStep, sagaStep } from "./steps.ts";

/** Gives a backend its `Rollback`: each record is durable in the journal before the backend acts. */
export function journaledRollback(operation: Operation, backend: string, image: Image): Rollback {
  return {
    defer: async (record: UndoRecord) => {
      operation.intend(sagaStep({ kind: "image", data: { backend, disk: diskToJson(image.disk), record } }));
    },
  };
}

/**
 * Takes back what an operation made, newest first; idempotent. Goes on after a failure, so that one bad disk does not
 * keep the others. Disks go before secrets, because secrets were made first.
 * @returns what could not be taken back; empty when all was
 */
export async function undoSteps(
  services: HostServices,
  steps: readonly Step[],
  ctx: OpContext,
): Promise<readonly Error[]> {
  const failures: Error[] = [];
  const steady: OpContext = { ...ctx, signal: new AbortController().signal };
  for (const step of [...steps].reverse()) {
    // A disk that may still be there keeps its secret.
    if (failures.length > 0 && step.kind.startsWith("secret")) continue;
    try {
      await undoStep(services, readStep(step), steady);
    } catch (error) {
      failures.push(error instanceof Error ? error : new Error(String(error)));
      ctx.log.error({ step: step.kind, err: error }, "could not take back a step");
    }
  }
  return failures;
}

async function undoStep(services: HostServices, step: SagaStep, ctx: OpContext): Promise<void> {
  switch (step.kind) {
    case "image": {
      const { backend, disk, record } = step.data;
      await services.backend(backend).image(diskFromJson(disk)).undo(record, ctx);
      return;
    }
    case "secret":
      for await (const { id } of services.keys.list?.({ name: step.data.name }, ctx) ?? []) {
        await services.keys.delete({ id }, ctx);
      }
      return;
    case "secret-made":
      await services.keys.delete({ id: step.data.id }, ctx);
      return;
    default:
      throw new LuksmithError(
        "JournalCorrupt",
        `the journal holds a step ${step.kind} that cannot be taken back; use the version that wrote it`,
      );
  }
}

/**
 * Takes back what a failed operation made; gives the error to raise. A journal that cannot be written any more (no space)
 * does not keep it from that: what it cannot note down, recovery does again.
 */
export async function takeBack(
  services: HostServices,
  operation: Operation,
  error: unknown,
  ctx: OpContext,
): Promise<unknown> {
  const noted = (write: () => void): void => {
    try {
      write();
    } catch (failure) {
      ctx.log.error({ operation: operation.id, err: failure }, "could not write to the journal");
    }
  };
  noted(() => operation.undoing(error instanceof Error ? error.message : String(error)));
  const failures = await undoSteps(services, operation.steps, ctx);
  if (failures.length === 0) noted(() => operation.end("undone"));
  return afterUndo(error, failures);
}

/**
 * The error to raise when an operation failed and was taken back: its own, or, when something was left, one that says
 * so and keeps the first as its cause.
 */
function afterUndo(error: unknown, failures: readonly Error[]): unknown {
  if (failures.length === 0) return error;
  // The key manager refuses the undo as it refused the beginning: its own answer says what to do. Recovery looks again.
  if (isLuksmithError(error) && failures.every((each) => isLuksmithError(each) && each.code === error.code)) {
    return error;
  }
  const first = error instanceof Error ? error.message : String(error);
  return new LuksmithError(
    "EphemeralEncryptionCleanupFailed",
    `${first}; moreover, what was made could not all be taken back: ${failures.map((f) => f.message).join("; ")}. "luksmith recover" tries again`,
    { cause: error, details: { first: isLuksmithError(error) ? error.code : "InternalError" } },
  );
}
