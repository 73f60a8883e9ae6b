import { LuksmithError } from "../../errors/luksmith-error.ts";
import { isDecryptedByHost } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { Hypervisor } from "../../guest/hypervisor.ts";
import type { LiveMigration } from "../../guest/live-migration.ts";
import { isMoving, type WritableHost } from "../host.ts";
import { closeDisks } from "./guest-disks.ts";
import { describeGuest } from "./describe-guest.ts";
import { type FoundGuest, findGuest, isUp } from "./find-guest.ts";
import type { MoveDocument } from "./move-document.ts";

/**
 * Offers a guest that is off to another host. From now on nothing here changes it or its disks, until the move is
 * confirmed or taken back. Idempotent.
 * @returns what `adoptGuest` on the other host takes
 * @throws `DomainStateConflict`: it runs; `UnsupportedOperation`: a disk stands on a base of this host
 */
export async function offerGuest(host: WritableHost, uuid: string, ctx: OpContext): Promise<MoveDocument> {
  using _claim = host.claim(uuid, [], { moving: true });
  const found = requireHere(host, uuid);
  const { hypervisor } = await host.services();
  if (isUp(await hypervisor.state(uuid, ctx))) {
    throw new LuksmithError(
      "DomainStateConflict",
      `guest ${uuid} is running; stop it first: "luksmith stop ${uuid}", or offer it as it is: "luksmith move offer ${uuid} --live"`,
      { details: { guest: uuid } },
    );
  }
  // Whoever copies them reads the storage, past what a mapping may still hold back.
  await closeDisks(host, found.instance, ctx);
  const overlay = found.instance.disks.find(({ source }) => source.backing);
  if (overlay) throw standsOnBase(uuid, overlay);
  host.inventory.guests.setMoving(uuid, "offered");
  ctx.log.info({ instance: uuid }, "guest offered to another host");
  return describeGuest(found);
}

/**
 * Offers a guest that runs to another host, which may expect it. Nothing here changes its disks from now on; the guest goes
 * on. Idempotent. Disks on bases are no matter: what is sent is their content.
 * @returns what `expectGuest` on the other host takes
 * @throws `DomainStateConflict`: it does not run; `UnsupportedOperation`: the hypervisor cannot send guests
 */
export async function offerLive(host: WritableHost, uuid: string, ctx: OpContext): Promise<MoveDocument> {
  using _claim = host.claim(uuid, [], { moving: true });
  const found = requireHere(host, uuid);
  const live = requireLive((await host.services()).hypervisor);
  if ((await live.fate(uuid, ctx)) !== "here") {
    throw new LuksmithError(
      "DomainStateConflict",
      `guest ${uuid} is not running; "luksmith move offer ${uuid}" without --live is for those that are off`,
      { details: { guest: uuid } },
    );
  }
  const opened = found.instance.disks.find(({ source }) => isDecryptedByHost(source));
  if (opened) throw decryptedHere(uuid, opened);
  const document = describeGuest(found);
  // What was begun stays in doubt until the guest has been seen on one side.
  if (found.guest.moving !== "sending") host.inventory.guests.setMoving(uuid, "leaving");
  ctx.log.info({ instance: uuid }, "running guest offered to another host");
  return { ...document, live: true };
}

/** A guest that is not on its way, or has been offered. */
function requireHere(host: WritableHost, uuid: string): FoundGuest {
  const found = findGuest(host, uuid);
  const { moving, rescued } = found.guest;
  if (moving === "arriving" || moving === "sent") throw isMoving(uuid, moving);
  if (!rescued) return found;
  throw new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} is rescued; end that first: "luksmith unrescue ${uuid}"`,
    { details: { guest: uuid } },
  );
}

/** @throws `UnsupportedOperation` */
export function requireLive({ name, live }: Hypervisor): LiveMigration {
  if (live) return live;
  throw new LuksmithError(
    "UnsupportedOperation",
    `${name} cannot send running guests to other hosts; stop the guest, and offer it without --live`,
  );
}

function decryptedHere(uuid: string, { name, path }: DiskRecord): LuksmithError {
  return new LuksmithError(
    "UnsupportedOperation",
    `the kernel of this host decrypts ${path} for guest ${uuid} ([luksmith] decryption = dm-crypt), so QEMU cannot send it elsewhere while the guest runs; stop the guest and offer it without --live, or start it again under decryption = qemu`,
    { details: { instance: uuid, disk: name } },
  );
}

function standsOnBase(uuid: string, { name, path }: DiskRecord): LuksmithError {
  return new LuksmithError(
    "UnsupportedOperation",
    `${path} stands on a base of this host, which the other host does not have; make it stand alone first: "luksmith flatten ${uuid} ${name}"`,
    { details: { instance: uuid, disk: name } },
  );
}
