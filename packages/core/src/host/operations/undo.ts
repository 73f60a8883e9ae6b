import { isLuksmithError, LuksmithError } from "../../errors/luksmith-error.ts";
import { endGuest, takeKeys } from "../guests/end-guest.ts";
import { diskFromJson, diskToJson } from "../../image/image-disk.ts";
import type { Image } from "../../image/image.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { Rollback, UndoRecord } from "../../image/rollback.ts";
import type { Operation, Step } from "../../journal/journal.ts";
import type { KeyManager } from "../../key-manager/key-manager.ts";
import type { HostServices } from "../host-services.ts";
import type { OperationSecrets } from "./operation-secrets.ts";
import { readStep, type SagaStep, sagaStep } from "./steps.ts";

/** What has to be undone before a disk may be touched. */
const LETS_GO_OF_DISKS: ReadonlySet<string> = new Set([
  "guest",
  "power",
  "copy-job",
] satisfies SagaStep["kind"][]);

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
 * @param secrets what this process knows of the secrets besides the journal; absent in recovery
 * @returns what could not be taken back; empty when all was
 */
export async function undoSteps(
  services: HostServices,
  steps: readonly Step[],
  ctx: OpContext,
  secrets?: OperationSecrets,
): Promise<readonly Error[]> {
  const failures: Error[] = [];
  let guestStays = false;
  const steady: OpContext = { ...ctx, signal: new AbortController().signal };
  for (const step of [...steps].reverse()) {
    // A guest that may still run keeps its disks; one that may still copy, what it copies to.
    if (guestStays) continue;
    // A disk that may still be there keeps its secret.
    if (failures.length > 0 && step.kind.startsWith("secret")) continue;
    try {
      await undoStep(services, readStep(step), steady, secrets);
    } catch (error) {
      guestStays ||= LETS_GO_OF_DISKS.has(step.kind);
      failures.push(error instanceof Error ? error : new Error(String(error)));
      ctx.log.error({ step: step.kind, err: error }, "could not take back a step");
    }
  }
  return failures;
}

async function undoStep(
  services: HostServices,
  step: SagaStep,
  ctx: OpContext,
  secrets: OperationSecrets | undefined,
): Promise<void> {
  switch (step.kind) {
    case "image": {
      const { backend, disk, record } = step.data;
      await services.backend(backend).image(diskFromJson(disk)).undo(record, ctx);
      return;
    }
    case "guest":
      await endGuest(services.hypervisor, step.data.uuid, ctx);
      await takeKeys(services.hypervisor, step.data.keys, ctx);
      return;
    case "take-keys":
      await takeKeys(services.hypervisor, step.data.keys, ctx);
      return;
    case "forget-copy":
      await services.copies.forget(step.data.id, ctx);
      return;
    case "power":
      await services.hypervisor.destroy(step.data.uuid, ctx);
      return;
    case "copy-job":
      await services.hypervisor.stopCopy(step.data.uuid, step.data.device, ctx);
      return;
    case "secret":
      await undoSecret(services.keys, step.data, secrets, ctx);
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

/** Deletes what was stored under a planned name. @param secrets what this process knows besides */
export async function undoSecret(
  keys: KeyManager,
  { name, scope }: { readonly name: string; readonly scope?: string },
  secrets: OperationSecrets | undefined,
  ctx: OpContext,
): Promise<void> {
  const fate = secrets?.fate(name) ?? "unknown";
  if (fate === "never") return;
  if (fate !== "unknown") {
    await keys.delete(fate, ctx);
    return;
  }
  await requireScope(keys, name, scope, ctx);
  for await (const { id } of keys.list?.({ name }, ctx) ?? []) await keys.delete({ id }, ctx);
}

/** Whoever asks as somebody else finds no secret, and would take that for proof that there is none. */
async function requireScope(
  keys: KeyManager,
  name: string,
  scope: string | undefined,
  ctx: OpContext,
): Promise<void> {
  const own = await keys.scope?.(ctx);
  if (own === scope) return;
  throw new LuksmithError(
    "SecretScopeMismatch",
    `"${name}" may have been stored ${scope ? `in project ${scope}` : "in another key manager"}, which ${own ? `a token of project ${own}` : `key manager ${keys.name}`} cannot see; run "luksmith recover" with ${scope ? `credentials of project ${scope}` : "the plugins that were configured then"}`,
    { details: { name, scope: scope ?? null, own: own ?? null } },
  );
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
  secrets?: OperationSecrets,
): Promise<unknown> {
  const noted = (write: () => void): void => {
    try {
      write();
    } catch (failure) {
      ctx.log.error({ operation: operation.id, err: failure }, "could not write to the journal");
    }
  };
  noted(() => operation.undoing(error instanceof Error ? error.message : String(error)));
  const failures = await undoSteps(services, operation.steps, ctx, secrets);
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
