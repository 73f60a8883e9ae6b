import { setTimeout as sleep } from "node:timers/promises";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { Hypervisor } from "../../guest/hypervisor.ts";
import type { GuestRecord } from "../../journal/guests.ts";
import type { OpenOperation, Operation } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import { findGuest, isUp } from "./find-guest.ts";
import { closeDisks } from "./guest-disks.ts";

const POLL_MS = 100;

export interface StopOptions {
  /** How long the guest may take to shut down before it is ended as if the power failed; 0: at once. */
  readonly timeoutMs: number;
}

/**
 * Stops a guest: asks it, and ends it when it does not obey in time. Its disks and all keys stay. Once begun, it goes
 * forward; a crash in between leaves what `recover` finishes.
 * @throws `InstanceNotFound`, `DomainNotFound`, or that the hypervisor is away, with nothing changed; `Cancelled`: it may
 * still obey
 */
export async function stopGuest(
  host: WritableHost,
  uuid: string,
  { timeoutMs }: StopOptions,
  ctx: OpContext,
): Promise<GuestRecord> {
  using _claim = host.claim(uuid);
  const { guest } = findGuest(host, uuid);
  // A stop that nobody could hear is refused, not done an hour later.
  await (await host.services()).hypervisor.state(uuid, ctx);
  const until = new Date(Date.now() + timeoutMs).toISOString();
  const operation = host.journal.begin("stop", uuid, ctx, { until });
  try {
    await finish(host, operation, uuid, until, ctx);
  } catch (error) {
    if (ctx.signal.aborted) await giveUp(host, operation, uuid, ctx);
    throw error;
  }
  ctx.log.info({ instance: uuid }, "guest stopped");
  return { ...guest, wanted: "off" };
}

/** Carries a stop to its end, within the time that it was given when it began. Idempotent. */
export async function finishStop(host: WritableHost, open: OpenOperation, ctx: OpContext): Promise<void> {
  // What `stopGuest` wrote.
  const { until } = open.data as { readonly until: string };
  await finish(host, host.journal.resume(open), open.subject, until, ctx);
}

async function finish(
  host: WritableHost,
  operation: Operation,
  uuid: string,
  until: string,
  ctx: OpContext,
): Promise<void> {
  const { hypervisor } = await host.services();
  await powerOff(hypervisor, uuid, new Date(until), ctx);
  await closeDisks(host, findGuest(host, uuid).instance, ctx);
  operation.end("done", () => host.inventory.guests.setWanted(uuid, "off"));
}

/** Asks a guest to shut down, waits until then, and ends it. Idempotent. */
export async function powerOff(
  hypervisor: Hypervisor,
  uuid: string,
  until: Date,
  ctx: OpContext,
): Promise<void> {
  const left = (): boolean => Date.now() < until.getTime();
  if (left() && isUp(await hypervisor.state(uuid, ctx))) {
    await hypervisor.shutDown(uuid, ctx);
    while (left() && isUp(await hypervisor.state(uuid, ctx))) {
      await sleep(POLL_MS);
      throwIfCancelled(ctx);
    }
  }
  if (isUp(await hypervisor.state(uuid, ctx))) await hypervisor.destroy(uuid, ctx);
}

async function giveUp(host: WritableHost, operation: Operation, uuid: string, ctx: OpContext): Promise<void> {
  const steady = { ...ctx, signal: new AbortController().signal };
  try {
    const { hypervisor } = await host.services();
    if (isUp(await hypervisor.state(uuid, steady))) operation.end("undone");
    else operation.end("done", () => host.inventory.guests.setWanted(uuid, "off"));
  } catch (error) {
    ctx.log.error({ instance: uuid, err: error }, "could not settle a cancelled stop");
  }
}
