import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { GuestState, Hypervisor } from "../../guest/hypervisor.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { GuestRecord } from "../../journal/guests.ts";
import type { InstanceRecord } from "../../journal/inventory.ts";
import type { ReadableHost, WritableHost } from "../host.ts";
import { findInstance } from "../operations/verify-disks.ts";

export interface FoundGuest {
  readonly instance: InstanceRecord;
  readonly guest: GuestRecord;
}

/** @throws `InstanceNotFound`; `DomainNotFound`: it has disks only, and somebody else runs it */
export function findGuest(host: ReadableHost, uuid: string): FoundGuest {
  const instance = findInstance(host, uuid);
  const guest = host.inventory?.guests.find(uuid);
  if (guest) return { instance, guest };
  throw new LuksmithError(
    "DomainNotFound",
    `instance ${uuid} was made by "luksmith create" and has disks only: start and stop it where its guest was defined`,
    { details: { instance: uuid } },
  );
}

/** Whether it has its disks open. */
export function isUp(state: GuestState): boolean {
  return state === "running" || state === "paused";
}

/**
 * The hypervisor, if Luksmith runs this instance's guest and it has its disks open now.
 * @throws `DomainStateConflict` in a rescue: the guest's disks have other names then
 */
export async function runningUnder(
  host: WritableHost,
  uuid: string,
  ctx: OpContext,
): Promise<Hypervisor | undefined> {
  const guest = host.inventory.guests.find(uuid);
  if (!guest) return undefined;
  const { hypervisor } = await host.services();
  if (!isUp(await hypervisor.state(uuid, ctx))) return undefined;
  if (!guest.rescued) return hypervisor;
  throw new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} is running from its rescue disk; "luksmith unrescue ${uuid}" or "luksmith stop ${uuid}" comes first`,
    { details: { guest: uuid } },
  );
}

/** A disk's name inside the guest: `vda`. */
export function deviceOf({ diskInfo }: Pick<InstanceRecord, "diskInfo">, name: string): string {
  const device = diskInfo.mapping[name]?.dev;
  if (device) return device;
  throw new Error(`disk ${name} is not in the disk_info it was made from`);
}
