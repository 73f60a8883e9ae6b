import type { Server } from "node:http";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import {
  errorToJson,
  guestKeeper,
  type HostConfig,
  isLuksmithError,
  keepTraits,
  type OpContext,
  type Task,
  tasks,
  type WritableHost,
} from "@luksmith/core/host";
import { buildApp } from "./app.ts";
import { groupId } from "./group-id.ts";
import { listen } from "./listen.ts";
import { Metrics } from "./metrics.ts";
import type { DaemonParts } from "./parts.ts";
import { keepRecovering } from "./recovery.ts";
import { ROUTES } from "./routes/index.ts";
import { serviceManager } from "./service-manager.ts";
import type { ConnectionLimits } from "./slow-clients.ts";

export interface DaemonOptions {
  /** For tests. */
  readonly limits?: ConnectionLimits;
  readonly config: HostConfig;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Opens the host; what it does is told to these. */
  readonly open: (told: Pick<Metrics, "onJournal" | "onKeyManager">) => Promise<WritableHost>;
}

/** Ms that clients are given to take their last answers. */
const PARTING_MS = 5000;

/**
 * Serves until `ctx.signal` aborts; then lets what runs end, or takes it back, and resolves.
 * @throws whatever keeps it from starting
 */
export async function serve(options: DaemonOptions, ctx: OpContext): Promise<void> {
  const { config, version, env, open, limits } = options;
  const metrics = new Metrics();
  await using host = await open(metrics);
  const { TaskQueue } = await tasks();
  const { max_operations, max_queued_operations, socket, socket_group, stop_timeout } = config.luksmith;
  const guests = await guestKeeper(host);
  const onChange = (task: Task): void => {
    noteTask(task, metrics, ctx);
    // Somebody with a token may have given a guest what it waits for.
    if (task.outcome && guests.waiting > 0) guests.lookAgain();
  };
  const queue = new TaskQueue({ running: max_operations, queued: max_queued_operations, onChange });
  const parts: DaemonParts = { host, config, queue, metrics, guests, version, startedAt: new Date() };
  metrics.watch(parts);
  await host.services(); // a plugin that cannot load stops the daemon, not the first request
  using manager = serviceManager(env, ctx);
  const app = await buildApp(ROUTES, parts, ctx.log, limits);
  await listen(app.server, socket, await groupId(socket_group, ctx));
  ctx.log.info({ socket, version }, "listening");
  const background = Promise.all([
    keepReporting(host, ctx),
    keepRecovering(host, doing("recover", ctx)),
    guests.run(doing("resume guests", ctx)),
  ]);
  await manager.ready();
  if (!ctx.signal.aborted) await once(ctx.signal, "abort");
  ctx.log.info({ running: queue.running, queued: queue.queued }, "stopping");
  const told = manager.stopping();
  const closed = close(app.server);
  await queue.stop(stop_timeout * 1000);
  await Promise.race([closed, sleep(PARTING_MS, undefined, { ref: false })]);
  app.server.closeAllConnections();
  await Promise.all([closed, background, told]);
  await app.close();
  ctx.log.info({}, "stopped");
}

function doing(purpose: string, ctx: OpContext): OpContext {
  return ctx.origin ? { ...ctx, origin: { ...ctx.origin, purpose } } : ctx;
}

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  await promise;
}

function noteTask(task: Task, metrics: Metrics, { log }: OpContext): void {
  if (!task.outcome) return;
  metrics.ended(task);
  const { id, kind, subject, state, requestId } = task;
  const fields = { task: id, kind, subject, state, requestId };
  if (task.outcome.ok) return log.info(fields, "task ended");
  const { error } = task.outcome;
  // Where it was raised is of use only where it should not have been.
  log.warn(
    { ...fields, ...(isLuksmithError(error) ? { error: errorToJson(error) } : { err: error }) },
    "task failed",
  );
}

async function keepReporting(host: WritableHost, ctx: OpContext): Promise<void> {
  const services = await host.services();
  if (services.traitReporters.length === 0) return;
  const options = { createProvider: false, intervalMs: undefined, onRound: async () => {} };
  await keepTraits(host, options, ctx).catch((error: unknown) =>
    ctx.log.error({ err: error }, "traits are not reported any more"),
  );
}
