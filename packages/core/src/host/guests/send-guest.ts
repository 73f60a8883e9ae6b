import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { GuestFate, LiveMigration, MigrationRoute } from "../../guest/live-migration.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { OpenOperation, Operation } from "../../journal/journal.ts";
import { isMoving, type WritableHost } from "../host.ts";
import { findGuest } from "./find-guest.ts";
import { type MoveReceipt, receipt } from "./move-receipt.ts";
import { arrivalOf, type MoveTarget } from "./move-target.ts";
import { requireLive } from "./offer-guest.ts";

/**
 * Sends a running guest, with the content of its disks, to the host that expects it. Afterwards it runs there, and what is
 * left here waits for `confirmMove`. Fails or is cancelled: the guest goes on here. Again, after it was sent: nothing happens.
 * @throws `PlaintextCopyRefused`, `InvalidRequest`, with nothing changed; `DomainStateConflict`: it does not run here, or
 * nobody can tell where it runs; what either hypervisor says
 */
export async function sendGuest(
  host: WritableHost,
  uuid: string,
  target: MoveTarget,
  route: MigrationRoute,
  ctx: OpContext,
): Promise<MoveReceipt> {
  using _claim = host.claim(uuid, [], { moving: true });
  const { instance, guest } = findGuest(host, uuid);
  const { hypervisor } = await host.services();
  const live = requireLive(hypervisor);
  if (guest.moving === "sent") return receipt(uuid, "sent");
  if (guest.moving !== "leaving" && guest.moving !== "sending") {
    throw guest.moving === "arriving" ? isMoving(uuid, guest.moving) : notOffered(uuid);
  }
  await live.check(route);
  const arrival = arrivalOf(instance, target);
  const fate = await live.fate(uuid, ctx);
  if (fate === "gone") {
    host.inventory.guests.setMoving(uuid, "sent");
    return receipt(uuid, "sent");
  }
  if (fate === "unknown") throw whereabouts(uuid);
  const operation = host.journal.begin("send", uuid, ctx, {});
  operation.advance(() => host.inventory.guests.setMoving(uuid, "sending"));
  try {
    await live.send(uuid, { arrival, config: host.config, route }, ctx);
  } catch (error) {
    const became = await trySettle(host, live, operation, uuid, ctx);
    if (became === "unknown") throw whereabouts(uuid, error);
    if (became !== "gone") throw error;
    ctx.log.warn({ instance: uuid, err: error }, "the guest was sent, though libvirt says that it failed");
    return receipt(uuid, "sent");
  }
  operation.end("done", () => host.inventory.guests.setMoving(uuid, "sent"));
  ctx.log.info({ instance: uuid }, "guest sent to another host");
  return receipt(uuid, "sent");
}

/** Ends a sending that a process did not see the end of: it is given up, unless the guest is gone. Idempotent. */
export async function settleOpenSend(
  host: WritableHost,
  open: OpenOperation,
  ctx: OpContext,
): Promise<GuestFate> {
  const { hypervisor } = await host.services();
  // What asked for it may still be on its way to the hypervisor: the guest stays in doubt, though it runs here.
  return await settle(host, requireLive(hypervisor), host.journal.resume(open), "sending", ctx);
}

async function settle(
  host: WritableHost,
  live: LiveMigration,
  operation: Operation,
  ifHere: "leaving" | "sending",
  ctx: OpContext,
): Promise<GuestFate> {
  const { subject: uuid } = operation;
  await live.stop(uuid, ctx);
  const fate = await live.fate(uuid, ctx);
  if (fate === "gone") operation.end("done", () => host.inventory.guests.setMoving(uuid, "sent"));
  else if (fate === "here") operation.end("undone", () => host.inventory.guests.setMoving(uuid, ifHere));
  else operation.end("undone");
  return fate;
}

/** After a failure that is to be told: what cannot be settled now stays for recovery. */
async function trySettle(
  host: WritableHost,
  live: LiveMigration,
  operation: Operation,
  uuid: string,
  ctx: OpContext,
): Promise<GuestFate | undefined> {
  const steady = { ...ctx, signal: new AbortController().signal };
  try {
    return await settle(host, live, operation, "leaving", steady);
  } catch (error) {
    ctx.log.error({ instance: uuid, err: error }, "could not settle a sending that failed");
    return undefined;
  }
}

function notOffered(uuid: string): LuksmithError {
  return new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} was not offered running; "luksmith move offer ${uuid} --live" does that`,
    { details: { guest: uuid } },
  );
}

/** Only the other host can tell. */
export function whereabouts(uuid: string, cause?: unknown): LuksmithError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} does not run here, and nothing here proves that it runs on the other host${why}; there, "luksmith move settle ${uuid}" or "luksmith move dismiss ${uuid}" finds out, and what it prints with --json is the --receipt for "luksmith move confirm ${uuid}" or "luksmith move revert ${uuid}" here`,
    { details: { guest: uuid }, cause },
  );
}
