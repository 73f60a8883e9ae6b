import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { WritableHost } from "../host.ts";
import { describeGuest } from "./describe-guest.ts";
import { type FoundGuest, findGuest, isUp } from "./find-guest.ts";
import { letGo } from "./let-go.ts";
import type { MoveDocument } from "./move-document.ts";

/**
 * Offers a guest that is off to another host. From now on nothing here changes it or its disks, until the move is
 * confirmed or taken back. Idempotent.
 * @returns what `adoptGuest` on the other host takes
 * @throws `DomainStateConflict`: it runs; `UnsupportedOperation`: a disk stands on a base of this host
 */
export async function offerGuest(host: WritableHost, uuid: string, ctx: OpContext): Promise<MoveDocument> {
  using _claim = host.claim(uuid, [], { moving: true });
  const found = findGuest(host, uuid);
  const { hypervisor } = await host.services();
  if (isUp(await hypervisor.state(uuid, ctx))) {
    throw new LuksmithError(
      "DomainStateConflict",
      `guest ${uuid} is running; stop it first: "luksmith stop ${uuid}"`,
      { details: { guest: uuid } },
    );
  }
  if (found.guest.rescued) {
    throw new LuksmithError(
      "DomainStateConflict",
      `guest ${uuid} is rescued; end that first: "luksmith unrescue ${uuid}"`,
      { details: { guest: uuid } },
    );
  }
  const overlay = found.instance.disks.find(({ source }) => source.backing);
  if (overlay) throw standsOnBase(uuid, overlay);
  host.inventory.guests.setMoving(uuid, true);
  ctx.log.info({ instance: uuid }, "guest offered to another host");
  return describeGuest(found);
}

/**
 * Removes a guest that another host has adopted: the guest, its disks with their key slots, its keys in the hypervisor
 * and this host's copies of them. The passphrases stay in the key manager, where the other host needs them. Once begun it
 * goes forward only.
 * @throws `DomainStateConflict`: it was not offered
 */
export async function confirmMove(host: WritableHost, uuid: string, ctx: OpContext): Promise<void> {
  using _claim = host.claim(uuid, [], { moving: true });
  await letGo(host, requireOffered(host, uuid), { keepDisks: false }, ctx);
}

/**
 * Takes an offer back: the guest is this host's again. The other host must not have adopted it, or must have deleted it
 * without its passphrases.
 * @throws `DomainStateConflict`: it was not offered
 */
export function revertMove(host: WritableHost, uuid: string): void {
  using _claim = host.claim(uuid, [], { moving: true });
  requireOffered(host, uuid);
  host.inventory.guests.setMoving(uuid, false);
}

function requireOffered(host: WritableHost, uuid: string): FoundGuest {
  const found = findGuest(host, uuid);
  if (found.guest.moving) return found;
  throw new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} was not offered to another host; "luksmith move offer ${uuid}" does that`,
    { details: { guest: uuid } },
  );
}

function standsOnBase(uuid: string, { name, path }: DiskRecord): LuksmithError {
  return new LuksmithError(
    "UnsupportedOperation",
    `${path} stands on a base of this host, which the other host does not have; make it stand alone first: "luksmith flatten ${uuid} ${name}"`,
    { details: { instance: uuid, disk: name } },
  );
}
