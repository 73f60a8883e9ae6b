import { isDeepStrictEqual } from "node:util";
import { isDecryptedByHost } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { imageOf } from "../operations/resize-disk.ts";
import { takeKeys } from "./end-guest.ts";
import { guestKeys } from "./guest-keys.ts";

/**
 * Makes the disks of a guest that is to start ready: each is proven to be the instance's, and opened where the host opens it.
 * Idempotent. A hypervisor that decrypted a disk before, and no longer does, loses its key.
 * @returns the instance, with where the guest finds its disks now; the inventory says the same then
 * @throws `DiskNotFound`, `DiskReplaced`, and what keeps a disk from being opened
 */
export async function readyDisks(
  host: WritableHost,
  instance: InstanceRecord,
  ctx: OpContext,
): Promise<InstanceRecord> {
  const disks: DiskRecord[] = [];
  for (const disk of instance.disks) {
    const image = await imageOf(host, disk, ctx);
    await image.activate(ctx);
    // A file may stand on a base, and only its record says on which.
    const source = disk.source.type === "block" ? image.guestSource : disk.source;
    disks.push({ ...disk, source });
  }
  const next = { ...instance, disks };
  if (isDeepStrictEqual(next, instance)) return instance;
  const { hypervisor } = await host.services();
  const wanted = new Set(guestKeys(next).map(({ secretId }) => secretId));
  const before = guestKeys(instance).filter(({ secretId }) => !wanted.has(secretId));
  await takeKeys(hypervisor, before, ctx);
  host.inventory.transaction(() => {
    for (const { uuid, source } of disks) host.inventory.setSource(uuid, source);
  });
  return next;
}

/** As `readyDisks`, of disks that the inventory does not know yet; whoever takes them back closes them. */
export async function openNewDisks(
  services: HostServices,
  instance: InstanceRecord,
  ctx: OpContext,
): Promise<InstanceRecord> {
  const disks: DiskRecord[] = [];
  for (const disk of instance.disks) {
    const image = services.backend(disk.backend).image(disk);
    await image.activate(ctx);
    disks.push({ ...disk, source: disk.source.type === "block" ? image.guestSource : disk.source });
  }
  return { ...instance, disks };
}

/**
 * Closes what the host has opened for a guest that is off. Idempotent.
 * @throws `DiskInUse`
 */
export async function closeDisks(
  host: WritableHost,
  { disks }: Pick<InstanceRecord, "disks">,
  ctx: OpContext,
): Promise<void> {
  const services = await host.services();
  for (const disk of disks) {
    const image = services.backend(disk.backend).image(disk);
    // As it was opened, or would have been by a start that was cut short.
    if (isDecryptedByHost(disk.source) || isDecryptedByHost(image.guestSource)) await image.deactivate(ctx);
  }
}
