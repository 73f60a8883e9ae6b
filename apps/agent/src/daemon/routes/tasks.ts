import { LuksmithError, type Task, tasks } from "@luksmith/core/host";
import { OfTask } from "../inputs.ts";
import type { DaemonParts } from "../parts.ts";
import { type Route, route } from "../route.ts";
import { type TaskDocument, TaskSchema, TasksSchema } from "../schemas/index.ts";
import { taskDocument } from "../task-document.ts";
import { streamTask } from "../task-stream.ts";

const tag = "tasks";

export const TASK_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/tasks",
    id: "listTasks",
    tag,
    summary: "What runs, waits and has ended lately, oldest first; results are left out",
    answer: { status: 200, description: "The tasks.", schema: TasksSchema },
    handle: async ({ parts }) => ({
      tasks: parts.queue.list().map((task) => taskDocument(task, { result: false })),
    }),
  }),
  route({
    method: "GET",
    path: "/v1/tasks/{id}",
    id: "showTask",
    tag,
    summary: "One task; its result once it is done",
    input: { params: OfTask },
    answer: { status: 200, description: "The task.", schema: TaskSchema },
    errors: [404],
    handle: async ({ params: { id }, parts }) => {
      const task = parts.queue.find(id);
      return task ? taskDocument(task) : beforeRestart(parts, id);
    },
  }),
  route({
    method: "POST",
    path: "/v1/tasks/{id}/cancel",
    id: "cancelTask",
    tag,
    summary: "Ask a task to stop and to take back what it began; one that has ended stays as it is",
    input: { params: OfTask },
    answer: { status: 202, description: "The task; `state` says when it has ended.", schema: TaskSchema },
    errors: [404],
    handle: async ({ params: { id }, parts }) => {
      const task = findTask(parts, id);
      const { cancelledByClient } = await tasks();
      task.cancel(cancelledByClient());
      return taskDocument(task);
    },
  }),
  route({
    method: "GET",
    path: "/v1/tasks/{id}/events",
    id: "followTask",
    tag,
    summary: "A task as it changes, as server-sent events: `state`, `progress`, and `end` with the result",
    input: { params: OfTask },
    answer: { status: 200, description: "Each event's data is the task.", mediaType: "text/event-stream" },
    errors: [404],
    handle: async ({ params: { id }, parts, reply }) => streamTask(findTask(parts, id), reply),
  }),
];

function findTask({ queue }: DaemonParts, id: string): Task {
  const task = queue.find(id);
  if (task) return task;
  throw notFound(id);
}

/** Of tasks of an earlier process, those with an idempotency key and an answer are known. */
function beforeRestart({ host }: DaemonParts, id: string): TaskDocument {
  const kept = host.answers.ofTask(id);
  if (!kept?.answer) throw notFound(id);
  return {
    id,
    kind: kept.kind,
    subject: kept.subject ?? null,
    state: "done",
    cancelling: false,
    request_id: kept.requestId,
    created_at: kept.createdAt,
    started_at: null,
    ended_at: null,
    progress: null,
    result: kept.answer.document,
    error: null,
  };
}

function notFound(id: string): LuksmithError {
  return new LuksmithError(
    "TaskNotFound",
    `there is no task ${id}, or it ended long ago; GET /v1/tasks lists those that are known`,
    { details: { task: id } },
  );
}
