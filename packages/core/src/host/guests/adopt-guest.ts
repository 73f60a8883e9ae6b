import { join } from "node:path";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { Image } from "../../image/image.ts";
import type { ImageDisk } from "../../image/image-disk.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { GuestRecord } from "../../journal/guests.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { Operation } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { requireKeyOwner } from "../operations/key-owner.ts";
import { requireAbsent } from "../operations/prepare-create.ts";
import { sagaStep } from "../operations/steps.ts";
import { journaledRollback, takeBack } from "../operations/undo.ts";
import { guestKeys, giveKeys } from "./guest-keys.ts";
import { infosOf, type MoveDocument } from "./move-document.ts";
import type { Spawned } from "./spawn-guest.ts";

export interface AdoptOptions {
  /** Where the disks' files can be read here, by their names in disk_info; else under the paths of the other host. */
  readonly from?: string;
  readonly start: boolean;
}

interface Arrival {
  readonly disk: ImageDisk;
  readonly image: Image;
  readonly backend: string;
  readonly file: string;
}

/**
 * Takes a guest over that another host has offered: its disks are copied as they are, ciphertext, and proven; its keys are
 * in the hypervisor here before it starts. All of it or nothing; what the other host has is only read.
 * @throws `InstanceExists`, `DomainExists`, `DiskExists`, `DiskNotFound`, `DiskNotProven`, `UnsupportedOperation`,
 * and what keeps the key manager from answering
 */
export async function adoptGuest(
  host: WritableHost,
  document: MoveDocument,
  options: AdoptOptions,
  ctx: OpContext,
): Promise<Spawned> {
  const { uuid } = document.instance;
  using _claim = host.claim(uuid);
  if (host.inventory.instance(uuid))
    throw exists("InstanceExists", `instance ${uuid} has disks on this host`, uuid);
  const services = await host.services();
  if ((await services.hypervisor.state(uuid, ctx)) !== "absent") {
    throw exists("DomainExists", `the hypervisor has a guest ${uuid} already`, uuid);
  }
  const arrivals = arrivalsOf(services, document, options);
  for (const { image } of arrivals) {
    image.requireEncryptionSupport();
    await requireAbsent(image, ctx);
  }
  await requireKeyOwner(services.keys, uuid, document.instance.project_id ?? undefined, ctx);
  await requireReadable(services, arrivals, ctx);
  const operation = host.journal.begin("adopt", uuid, ctx.requestId, {});
  try {
    const disks: DiskRecord[] = [];
    for (const arrival of arrivals) disks.push(await takeOver(services, arrival, operation, ctx));
    return await settleIn(host, services, document, disks, options, operation, ctx);
  } catch (error) {
    throw await takeBack(services, operation, error, ctx);
  }
}

function arrivalsOf(
  services: HostServices,
  document: MoveDocument,
  { from }: AdoptOptions,
): readonly Arrival[] {
  return document.disks.map(({ uuid, name, backend, path, virtual_size, encryption }) => {
    const disk: ImageDisk = {
      instanceUuid: document.instance.uuid,
      name,
      uuid,
      virtualSize: BigInt(virtual_size),
      ...(encryption ? { encryption: { format: encryption.format, secretId: encryption.secret_id } } : {}),
    };
    const file = from === undefined ? path : join(from, name);
    return { disk, backend, image: services.backend(backend).image(disk), file };
  });
}

/** Before anything changes: whoever may not read the passphrases here shall not have the disks either. */
async function requireReadable(
  services: HostServices,
  arrivals: readonly Arrival[],
  ctx: OpContext,
): Promise<void> {
  for (const { disk } of arrivals) {
    const id = disk.encryption?.secretId;
    if (!id) continue;
    using _passphrase = await services.keys.get({ id }, ctx);
  }
}

async function takeOver(
  services: HostServices,
  { disk, image, backend, file }: Arrival,
  operation: Operation,
  ctx: OpContext,
): Promise<DiskRecord> {
  throwIfCancelled(ctx);
  if (!image.adopt) {
    throw new LuksmithError("UnsupportedOperation", `a disk on ${backend} cannot be taken over from a file`);
  }
  await image.adopt(file, journaledRollback(operation, backend, image), ctx);
  const { ok, checks } = await image.verify(ctx);
  const identity = await image.identify(ctx);
  if (!ok || !identity) {
    const failed = checks.filter(({ result }) => result === "fail").map(({ message }) => message);
    throw new LuksmithError(
      "DiskNotProven",
      `what was copied from ${file} is not ${image.label} as it was offered: ${failed.join("; ")}`,
      { details: { disk: disk.name, file } },
    );
  }
  const createdAt = new Date().toISOString();
  return { ...disk, backend, path: image.path, source: image.source(), identity, createdAt };
}

async function settleIn(
  host: WritableHost,
  services: HostServices,
  document: MoveDocument,
  disks: readonly DiskRecord[],
  { start }: AdoptOptions,
  operation: Operation,
  ctx: OpContext,
): Promise<Spawned> {
  const { uuid, name, project_id } = document.instance;
  const instance: InstanceRecord = {
    uuid,
    name: name ?? undefined,
    projectId: project_id ?? undefined,
    createdAt: new Date().toISOString(),
    ...infosOf(document),
    disks,
    pending: undefined,
  };
  const { hypervisor } = services;
  const definition = hypervisor.redescribe(document.definition, instance, host.config);
  const keys = guestKeys(instance);
  operation.intend(
    ...keys.map(({ secretId }) => sagaStep({ kind: "forget-copy", data: { id: secretId } })),
    sagaStep({ kind: "guest", data: { uuid, keys } }),
  );
  await services.keepCopies(keys, ctx);
  await giveKeys(services, instance, "all", ctx);
  await hypervisor.define(definition, ctx);
  if (start) await hypervisor.start(uuid, ctx);
  const guest: GuestRecord = {
    uuid,
    definition,
    wanted: start ? "on" : "off",
    moving: false,
    rescued: false,
  };
  operation.end("done", () => {
    host.inventory.addInstance(instance);
    host.inventory.guests.add(guest);
  });
  ctx.log.info({ instance: uuid, disks: disks.length }, "guest adopted");
  return { instance, guest };
}

function exists(code: "InstanceExists" | "DomainExists", what: string, uuid: string): LuksmithError {
  return new LuksmithError(code, `${what} already, and was not touched; delete it first`, {
    details: { instance: uuid },
  });
}
