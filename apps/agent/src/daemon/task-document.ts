import { errorToJson, type Task } from "@luksmith/core/host";
import type { TaskDocument } from "./schemas/index.ts";

/** A task for clients. */
export function taskDocument(task: Task, options = { result: true }): TaskDocument {
  const { progress, outcome } = task;
  return {
    id: task.id,
    kind: task.kind,
    subject: task.subject ?? null,
    state: task.state,
    cancelling: task.cancelling && !outcome,
    request_id: task.requestId,
    created_at: task.createdAt.toISOString(),
    started_at: task.startedAt?.toISOString() ?? null,
    ended_at: task.endedAt?.toISOString() ?? null,
    progress: progress
      ? {
          step: progress.step,
          done_bytes: Number(progress.doneBytes),
          total_bytes: Number(progress.totalBytes),
        }
      : null,
    result: outcome?.ok && options.result ? outcome.document : null,
    // Asserted: errorToJson makes just these fields.
    error: outcome?.ok === false ? (errorToJson(outcome.error) as TaskDocument["error"]) : null,
  };
}
