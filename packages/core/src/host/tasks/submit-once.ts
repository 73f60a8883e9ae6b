import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { RequestedOperation } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import type { KeptAnswer } from "./kept-answers.ts";
import type { Task, TaskRequest } from "./task.ts";
import type { TaskQueue } from "./task-queue.ts";

export interface KeyedTask extends TaskRequest {
  /** The client's idempotency key. */
  readonly key: string;
  readonly fingerprint: string;
  readonly disk?: string;
  /**
   * The answer to the same request before a crash, made anew from the inventory; `operations` have all succeeded.
   * Undefined: it cannot be told.
   */
  readonly rebuild: (operations: readonly RequestedOperation[], kept: KeptAnswer) => Promise<unknown>;
}

/** Either a task that is new or was submitted before, or the answer to one that ended. */
export type Submitted = { readonly task: Task } | { readonly document: unknown; readonly taskId: string };

/**
 * Does a request at most once. The same key again is the same task, or its answer; also after a crash, whose recovery has
 * decided by then whether the work was done. A key of work that failed or was taken back is free again.
 * @throws `IdempotencyKeyReused`, and as `TaskQueue.submit`
 */
export async function submitOnce(
  host: WritableHost,
  queue: TaskQueue,
  request: KeyedTask,
): Promise<Submitted> {
  const { key, fingerprint, kind, requestId, subject, disk } = request;
  const before = host.answers.find(key);
  if (before) {
    const known = await earlier(host, queue, request, before);
    if (known) return known;
    // Looked at again: others with the same key may have come while this one waited.
    if (host.answers.find(key)?.task !== before.task) return submitOnce(host, queue, request);
    host.answers.forget(key);
  }
  const task = queue.submit(request);
  try {
    host.answers.begin({ key, fingerprint, task: task.id, kind, requestId, subject, disk });
  } catch (error) {
    task.cancel(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
  task.subscribe(({ outcome }) => {
    if (!outcome) return;
    try {
      if (outcome.ok) host.answers.answer(key, outcome.document);
      else host.answers.forget(key);
    } catch {
      // The journal knows what became of the work, and the next request with this key asks it.
    }
  });
  return { task };
}

async function earlier(
  host: WritableHost,
  queue: TaskQueue,
  request: KeyedTask,
  before: KeptAnswer,
): Promise<Submitted | undefined> {
  if (before.fingerprint !== request.fingerprint) {
    throw new LuksmithError(
      "IdempotencyKeyReused",
      "this idempotency key came with another request before; use a new key for each new request",
      { details: { kind: before.kind, subject: before.subject, requestId: before.requestId } },
    );
  }
  if (before.answer) return { document: before.answer.document, taskId: before.task };
  const task = queue.find(before.task);
  if (task) return { task };
  // A crash came between. What it left has been ended by recovery, or will be by the new task.
  const operations = host.journal.ofRequest(before.requestId);
  if (operations.length === 0 || operations.some(({ state }) => state !== "done")) return undefined;
  const document = await request.rebuild(operations, before);
  if (document === undefined) return undefined;
  host.answers.answer(request.key, document);
  return { document, taskId: before.task };
}
