import { LuksmithError } from "../../errors/luksmith-error.ts";
import { diskToJson } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { Step } from "../../journal/journal.ts";
import { isMoving, type WritableHost } from "../host.ts";
import { finishDelete } from "../operations/finish-delete.ts";
import { sagaStep } from "../operations/steps.ts";
import { takeKeys } from "./end-guest.ts";
import { type FoundGuest, findGuest } from "./find-guest.ts";
import { giveKeys, keysOfOneGuest } from "./guest-keys.ts";
import { type MoveReceipt, type OtherHost, receipt, says } from "./move-receipt.ts";

/**
 * Takes a guest that has come over as this host's own, with what its next start takes. Idempotent.
 * @param other `sent`: the first host says that the guest has come; then it may have ended here since
 * @throws `DomainStateConflict`: it does not run here, and nobody says that it came
 */
export async function settleGuest(
  host: WritableHost,
  uuid: string,
  other: OtherHost,
  ctx: OpContext,
): Promise<MoveReceipt> {
  using _claim = host.claim(uuid, [], { moving: true });
  const { instance, guest } = findGuest(host, uuid);
  const services = await host.services();
  const { hypervisor } = services;
  if (guest.moving && guest.moving !== "arriving") throw isMoving(uuid, guest.moving);
  const came = says(other, uuid, "sent");
  if (guest.moving) {
    const state = await hypervisor.state(uuid, ctx);
    // One that is being received is there, paused, and may yet go on where it came from.
    if (state !== "running" && !came) throw notArrived(uuid, state);
    await hypervisor.define(hypervisor.redescribe(guest.definition, instance, host.config), ctx);
    host.inventory.guests.setMoving(uuid, false);
    ctx.log.info({ instance: uuid }, "guest arrived");
  }
  // The hypervisor may have been restarted since it was given them.
  await giveKeys(services, instance, "absent", ctx);
  return receipt(uuid, "arrived");
}

/**
 * Gives up expecting a guest: its disks here are removed and its keys taken; passphrases stay, since the guest needs them
 * where it is. Once begun it goes forward only.
 * @param other `kept`: the first host says that the guest is there
 * @throws `DomainStateConflict`: the guest has come, is coming, or may have
 */
export async function dismissGuest(
  host: WritableHost,
  uuid: string,
  other: OtherHost,
  ctx: OpContext,
): Promise<MoveReceipt> {
  using _claim = host.claim(uuid, [], { moving: true });
  const found = findGuest(host, uuid);
  const { instance } = found;
  if (found.guest.moving !== "arriving") throw notExpected(found);
  const services = await host.services();
  const kept = says(other, uuid, "kept");
  await requireNotHere(host, uuid, kept, ctx);
  const keys = keysOfOneGuest(host, instance);
  // Without keys none can begin to come; one that began before is seen now. If it ends here, nothing is lost: `expectGuest`
  // gives them again.
  await takeKeys(services.hypervisor, keys, ctx);
  await requireNotHere(host, uuid, kept, ctx);
  const removals: Step[] = [];
  for (const record of instance.disks) {
    const backend = services.backend(record.backend);
    // It is the guest's where that is.
    if (backend.capabilities.shared) continue;
    const image = backend.image(record);
    const identity = await image.requireOurs(record.identity, ctx);
    await image.requireIdle(ctx);
    const data = { backend: record.backend, disk: diskToJson(record), identity: identity ?? null };
    removals.push(sagaStep({ kind: "remove", data }));
  }
  const operation = host.journal.begin("delete", uuid, ctx, {}, [
    ...removals,
    ...keys.map(({ secretId }) => sagaStep({ kind: "forget-copy", data: { id: secretId } })),
    // Last: what has one of its disks open was refused above, and nothing runs without disks.
    ...(kept ? [sagaStep({ kind: "end-guest", data: { uuid } })] : []),
  ]);
  await finishDelete(host, services, operation, uuid, ctx);
  return receipt(uuid, "dismissed");
}

/** A guest that has come is defined here, even if it has ended since. */
async function requireNotHere(
  host: WritableHost,
  uuid: string,
  kept: boolean,
  ctx: OpContext,
): Promise<void> {
  const { hypervisor } = await host.services();
  const state = await hypervisor.state(uuid, ctx);
  if (state === "absent" || (state === "off" && kept)) return;
  const [what, advice] = {
    running: ["runs here", `"luksmith move settle ${uuid}" makes it this host's`],
    paused: ["is coming, or has come", "wait, or end the sending on the first host"],
    off: [
      "is known to the hypervisor, and may have come and ended",
      `where it came from, "luksmith move send ${uuid}" or "luksmith move revert ${uuid}" finds out; what it prints with --json is the --receipt for "luksmith move settle ${uuid}" or "luksmith move dismiss ${uuid}" here`,
    ],
  }[state];
  throw new LuksmithError("DomainStateConflict", `guest ${uuid} ${what}; ${advice}`, {
    details: { guest: uuid, state },
  });
}

function notArrived(uuid: string, state: string): LuksmithError {
  return new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} does not run here (${state}): it has not come, or ended since; where it came from, "luksmith move send ${uuid}" sends it or says that it was sent; what it prints with --json is the --receipt for "luksmith move settle ${uuid}" here`,
    { details: { guest: uuid, state } },
  );
}

function notExpected({ guest: { uuid, moving } }: FoundGuest): LuksmithError {
  if (moving) return isMoving(uuid, moving);
  return new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} is this host's own, and not expected; "luksmith delete ${uuid}" deletes it`,
    { details: { guest: uuid } },
  );
}
