import { createHash } from "node:crypto";
import { type KeyedTask, tasks, type TaskScope } from "@luksmith/core/host";
import type { FastifyReply } from "fastify";
import type * as z from "zod";
import type { Action } from "../actions/action.ts";
import type { Caller } from "./caller.ts";
import type { DaemonParts } from "./parts.ts";
import { type Call, type Route, type RouteInput } from "./route.ts";
import { taskDocument } from "./task-document.ts";

/** What one request asks to be done. */
export interface Work<I, D> {
  readonly action: Pick<Action<I, D>, "kind" | "run" | "again">;
  readonly input: I;
  /** The instance or snapshot that it changes. */
  readonly subject?: string;
  readonly disk?: string;
}

/** A route whose work is a task: clients wait for its end, or are told where to look. */
export function taskRoute<
  P extends z.ZodObject = z.ZodObject<Record<string, never>>,
  Q extends z.ZodObject = z.ZodObject<Record<string, never>>,
  B extends z.ZodType = z.ZodUndefined,
  I = unknown,
  D = unknown,
>(
  spec: Omit<Route, "handle" | "input" | "task" | "errors"> & {
    readonly input?: RouteInput<P, Q, B>;
    readonly errors?: readonly number[];
    readonly work: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Promise<Work<I, D>> | Work<I, D>;
  },
): Route {
  const { work, errors = [], ...rest } = spec;
  const handle = async (call: Call<z.output<P>, z.output<Q>, z.output<B>>): Promise<unknown> => {
    const wanted = await work(call);
    const fingerprint = fingerprintOf(rest.id, call.params, call.query, call.body);
    return await carryOut(call.parts, call.caller, call.reply, wanted, fingerprint);
  };
  return { input: {}, ...rest, errors: [...errors, 422, 503], task: true, handle };
}

async function carryOut<I, D>(
  { host, queue }: DaemonParts,
  caller: Caller,
  reply: FastifyReply,
  { action, input, subject, disk }: Work<I, D>,
  fingerprint: string,
): Promise<unknown> {
  const run = async (scope: TaskScope): Promise<D> => {
    const ctx = caller.context(scope, action.kind);
    // As a command does: what an earlier operation could not end is ended first, with this caller's rights.
    if (subject !== undefined) await host.recover(ctx, subject);
    return await action.run(host, input, ctx);
  };
  const { kind } = action;
  const { requestId, idempotencyKey } = caller;
  const release = (): void => caller.release();
  // What changes nothing may be asked again; what is of no use to others is not kept for them.
  const transient = subject === undefined && !caller.async && idempotencyKey === undefined;
  const of = subject === undefined ? {} : { subject };
  const request = { kind, requestId, run, release, transient, ...of };
  if (idempotencyKey === undefined) return await answer(queue.submit(request), caller, reply);
  const rebuild: KeyedTask["rebuild"] = async (operations, kept) =>
    action.again?.(host, { subject: kept.subject ?? "", disk: kept.disk, operations });
  const { submitOnce } = await tasks();
  const keyed = { ...request, key: idempotencyKey, fingerprint, rebuild, ...(disk ? { disk } : {}) };
  const submitted = await submitOnce(host, queue, keyed);
  const fresh = "task" in submitted && submitted.task.requestId === requestId;
  if (!fresh) {
    release();
    reply.header("idempotency-replayed", "true");
  }
  if ("task" in submitted) return await answer(submitted.task, caller, reply);
  return submitted.document;
}

type SubmittedTask = ReturnType<DaemonParts["queue"]["submit"]>;

async function answer(task: SubmittedTask, caller: Caller, reply: FastifyReply): Promise<unknown> {
  reply.header("x-luksmith-task", task.id);
  if (caller.async) {
    reply.code(202).header("location", `/v1/tasks/${task.id}`).header("preference-applied", "respond-async");
    return taskDocument(task);
  }
  const outcome = await task.ended;
  if (outcome.ok) return outcome.document;
  throw outcome.error;
}

/** The same for the same request, whatever the order of its fields; tells nothing of what is in it. */
function fingerprintOf(...parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts, ordered)).digest("hex");
}

function ordered(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
