import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import { isMoving, type WritableHost } from "../host.ts";
import { type FoundGuest, findGuest, isUp } from "./find-guest.ts";
import { letGo } from "./let-go.ts";
import { type MoveReceipt, type OtherHost, receipt, says } from "./move-receipt.ts";
import { requireLive } from "./offer-guest.ts";
import { whereabouts } from "./send-guest.ts";

/**
 * Removes a guest that another host has: the guest, its disks with their key slots, its keys in the hypervisor and this
 * host's copies of them. The passphrases stay in the key manager, where the other host needs them. Once begun it goes
 * forward only.
 * @param other `arrived`: the other host says that it has a guest that was to be sent, where this one cannot know
 * @throws `DomainStateConflict`: it was not offered; it was offered off and runs here; it was offered running, and nothing proves
 * that it has gone
 */
export async function confirmMove(
  host: WritableHost,
  uuid: string,
  other: OtherHost,
  ctx: OpContext,
): Promise<MoveReceipt> {
  using _claim = host.claim(uuid, [], { moving: true });
  const found = requireOffered(host, uuid);
  if (found.guest.moving === "offered") await requireOff(host, uuid, ctx);
  else await requireGone(host, found, other, ctx);
  await letGo(host, found, { keepDisks: false }, ctx);
  return receipt(uuid, "removed");
}

/** What it has written since it was offered is on this host alone. */
async function requireOff(host: WritableHost, uuid: string, ctx: OpContext): Promise<void> {
  const { hypervisor } = await host.services();
  if (!isUp(await hypervisor.state(uuid, ctx))) return;
  throw new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} was offered while it was off, and runs here: what it writes is not on the other host, and nothing was touched; end the one that is not wanted, here with "virsh destroy", then confirm or revert`,
    { details: { guest: uuid } },
  );
}

/**
 * Takes an offer back: the guest is this host's again. For one that was off, the other host must not have adopted it, or
 * must have deleted it without its passphrases.
 * @param other `dismissed`: the other host says that it has nothing of a guest that was to be sent, where this one cannot know;
 * so that nothing can come there any more either
 * @throws `DomainStateConflict`: it was not offered; it was sent, or nothing proves that it was not or will not be
 */
export async function revertMove(
  host: WritableHost,
  uuid: string,
  other: OtherHost,
  ctx: OpContext,
): Promise<MoveReceipt> {
  using _claim = host.claim(uuid, [], { moving: true });
  const found = requireOffered(host, uuid);
  if (found.guest.moving !== "offered") await requireNotGone(host, found, other, ctx);
  host.inventory.guests.setMoving(uuid, false);
  return receipt(uuid, "kept");
}

async function requireGone(
  host: WritableHost,
  { guest: { uuid, moving } }: FoundGuest,
  other: OtherHost,
  ctx: OpContext,
): Promise<void> {
  const { hypervisor } = await host.services();
  const arrived = says(other, uuid, "arrived");
  const fate = await requireLive(hypervisor).fate(uuid, ctx);
  if (fate === "here") throw runsHere(uuid);
  if (fate === "gone" || moving === "sent") return;
  // What is left of it here, paused perhaps, goes: the other host's is the one that goes on.
  if (!arrived) throw whereabouts(uuid);
}

async function requireNotGone(
  host: WritableHost,
  { guest: { uuid, moving } }: FoundGuest,
  other: OtherHost,
  ctx: OpContext,
): Promise<void> {
  const { hypervisor } = await host.services();
  const live = requireLive(hypervisor);
  const dismissed = says(other, uuid, "dismissed");
  if (moving === "sent") throw isMoving(uuid, moving);
  await live.stop(uuid, ctx);
  const fate = await live.fate(uuid, ctx);
  if (fate === "gone") {
    host.inventory.guests.setMoving(uuid, "sent");
    throw isMoving(uuid, "sent");
  }
  // The hypervisor may have been asked by a process that was killed, and not have begun: the guest would go after this.
  if (fate === "here" && moving === "sending" && !dismissed) throw mayYetGo(uuid);
  // One that was never sent is here, whatever it does.
  if (fate === "unknown" && moving !== "leaving" && !dismissed) throw whereabouts(uuid);
}

function requireOffered(host: WritableHost, uuid: string): FoundGuest {
  const found = findGuest(host, uuid);
  const { moving } = found.guest;
  if (moving === "arriving") throw isMoving(uuid, moving);
  if (moving) return found;
  throw new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} was not offered to another host; "luksmith move offer ${uuid}" does that`,
    { details: { guest: uuid } },
  );
}

function mayYetGo(uuid: string): LuksmithError {
  return new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} runs here, but what sent it was cut off, and the hypervisor may yet carry it out; on the other host, "luksmith move dismiss ${uuid}" sees to it that it cannot come, and what that prints with --json is the --receipt for "luksmith move revert ${uuid}" here; or send it again`,
    { details: { guest: uuid } },
  );
}

function runsHere(uuid: string): LuksmithError {
  return new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} runs here, and was not sent; "luksmith move revert ${uuid}" takes the offer back`,
    { details: { guest: uuid } },
  );
}
