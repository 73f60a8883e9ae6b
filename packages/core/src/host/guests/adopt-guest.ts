import { basename, join } from "node:path";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { Image } from "../../image/image.ts";
import type { ImageDisk } from "../../image/image-disk.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { GuestRecord } from "../../journal/guests.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { Operation, Step } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { finishDelete } from "../operations/finish-delete.ts";
import { requireKeyOwner } from "../operations/key-owner.ts";
import { requireAbsent } from "../operations/prepare-create.ts";
import { sagaStep } from "../operations/steps.ts";
import { journaledRollback, takeBack } from "../operations/undo.ts";
import { closeDisks, openNewDisks } from "./guest-disks.ts";
import { guestKeys, giveKeys } from "./guest-keys.ts";
import { backingHere } from "./backing-here.ts";
import { arrivedInstance, listedDisk, type MoveDocument } from "./move-document.ts";
import type { Spawned } from "./spawn-guest.ts";
import { startDefined } from "./start-defined.ts";

export interface AdoptOptions {
  /**
   * Where the disks' files can be read here, by their names in disk_info; else under the paths of the other host, or in place on
   * storage that is shared by its nature (`BackendCapabilities.shared`).
   */
  readonly from?: string;
  /** The disks are where this host would make them, and stay there: both hosts have this storage. */
  readonly inPlace?: boolean;
  readonly start: boolean;
}

/** What an operation does besides adopting a guest. */
export interface AdoptStage {
  readonly kind: "unshelve" | "evacuate";
  /** What is still to be done when the guest is here, forward only. */
  readonly afterwards: readonly Step[];
}

interface Arrival {
  readonly disk: ImageDisk;
  readonly image: Image;
  readonly backend: string;
  /** Undefined: it is where it shall be. */
  readonly file: string | undefined;
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
  stage?: AdoptStage,
): Promise<Spawned> {
  const { uuid } = document.instance;
  if (document.live) throw runs(uuid);
  using _claim = host.claim(uuid);
  const services = await host.services();
  await requireNew(host, services, uuid, ctx);
  const arrivals = await arrivalsOf(services, document, options);
  for (const { image, file } of arrivals) {
    image.requireEncryptionSupport();
    if (file !== undefined) await requireAbsent(image, ctx);
    else if (await image.identify(ctx)) await image.requireIdle(ctx);
    else throw notHere(image.label, image.path);
  }
  await requireKeyOwner(services.keys, uuid, document.instance.project_id ?? undefined, ctx);
  await requireReadable(services, arrivals, ctx);
  const operation = host.journal.begin(stage?.kind ?? "adopt", uuid, ctx, {});
  let spawned: Spawned;
  const disks: DiskRecord[] = [];
  try {
    for (const arrival of arrivals) disks.push(await takeOver(services, arrival, operation, ctx));
    spawned = await settleIn(host, services, document, disks, options, operation, ctx);
    const { instance, guest } = spawned;
    const record = (): void => {
      host.inventory.addInstance(instance);
      host.inventory.guests.add(guest);
    };
    if (stage?.afterwards.length)
      operation.advance(record, sagaStep({ kind: "arrived", data: {} }), ...stage.afterwards);
    else operation.end("done", record);
  } catch (error) {
    const raised = await takeBack(services, operation, error, ctx);
    // Those that stay where they were.
    await closeDisks(host, { disks }, { ...ctx, signal: new AbortController().signal }).catch(
      (second: unknown) => {
        ctx.log.error({ instance: uuid, err: second }, "could not close disks that were not adopted");
      },
    );
    throw raised;
  }
  ctx.log.info({ instance: uuid, disks: spawned.instance.disks.length }, "guest adopted");
  // From here on nobody can want it back.
  if (stage?.afterwards.length) await finishArrival(host, services, operation, uuid, ctx);
  return spawned;
}

/** Whether the guest is this host's, and only what comes then is left to do. */
export function hasArrived(steps: readonly Step[]): boolean {
  return steps.some(({ kind }) => kind === "arrived");
}

/** What is to be done when a guest has arrived. Idempotent. */
export async function finishArrival(
  host: WritableHost,
  services: HostServices,
  operation: Operation,
  uuid: string,
  ctx: OpContext,
): Promise<void> {
  const at = operation.steps.findIndex(({ kind }) => kind === "arrived");
  const steady = { ...ctx, signal: new AbortController().signal };
  await finishDelete(host, services, operation, uuid, steady, operation.steps.slice(at + 1));
}

async function arrivalsOf(
  services: HostServices,
  document: MoveDocument,
  { from, inPlace = false }: AdoptOptions,
): Promise<readonly Arrival[]> {
  const arrivals: Arrival[] = [];
  for (const listed of document.disks) {
    const { name, backend, path } = listed;
    const backing = listed.backing && (await backingHere(listed.backing, name));
    const disk = { ...listedDisk(document, listed), ...(backing ? { backing } : {}) };
    // A document is not trusted with directories.
    const there = document.kind === "luksmith.shelf" ? basename(path) : name;
    const file = from === undefined ? path : join(from, there);
    const image = services.backend(backend).image(disk);
    const { shared = false } = services.backend(backend).capabilities;
    const stays = inPlace || (shared && from === undefined);
    if (stays && path !== image.path) throw notHere(image.label, path);
    arrivals.push({ disk, backend, image, file: stays ? undefined : file });
  }
  return arrivals;
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
  if (file !== undefined) {
    if (!image.adopt) {
      throw new LuksmithError(
        "UnsupportedOperation",
        `a disk on ${backend} cannot be taken over from a file`,
      );
    }
    await image.adopt(file, journaledRollback(operation, backend, image), ctx);
  }
  const { ok, checks } = await image.verify(ctx);
  const identity = await image.identify(ctx);
  if (!ok || !identity) {
    const failed = checks.filter(({ result }) => result === "fail").map(({ message }) => message);
    throw new LuksmithError(
      "DiskNotProven",
      `${file === undefined ? "what is there" : `what was copied from ${file}`} is not ${image.label} as it was offered: ${failed.join("; ")}`,
      { details: { disk: disk.name, file: file ?? image.path } },
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
  const arrived = arrivedInstance(document, disks);
  const { uuid } = arrived;
  const { hypervisor } = services;
  const keys = guestKeys(arrived);
  operation.intend(
    ...keys.map(({ secretId }) => sagaStep({ kind: "forget-copy", data: { id: secretId } })),
    sagaStep({ kind: "guest", data: { uuid, keys } }),
  );
  await services.copies.keep(keys, ctx);
  // What the host decrypts is open while the guest runs, and not before.
  const instance = start ? await openNewDisks(services, arrived, ctx) : arrived;
  const definition = hypervisor.redescribe(document.definition, instance, host.config);
  await giveKeys(services, instance, "all", ctx);
  await hypervisor.define(definition, ctx);
  if (start) await startDefined(services, instance, ctx);
  const guest: GuestRecord = {
    uuid,
    definition,
    wanted: start ? "on" : "off",
    moving: false,
    rescued: false,
  };
  return { instance, guest };
}

function notHere(label: string, path: string): LuksmithError {
  return new LuksmithError(
    "DiskNotFound",
    `${label} is not at ${path} on this host: mount the storage that both hosts have, or say where copies are (--from), or what to make it anew of (--recreate)`,
    { details: { path } },
  );
}

/** @throws `InstanceExists`, `DomainExists` */
export async function requireNew(
  host: WritableHost,
  services: HostServices,
  uuid: string,
  ctx: OpContext,
): Promise<void> {
  if (host.inventory.instance(uuid))
    throw exists("InstanceExists", `instance ${uuid} has disks on this host`, uuid);
  if ((await services.hypervisor.state(uuid, ctx)) !== "absent") {
    throw exists("DomainExists", `the hypervisor has a guest ${uuid} already`, uuid);
  }
}

function runs(uuid: string): LuksmithError {
  return new LuksmithError(
    "InvalidRequest",
    `guest ${uuid} was offered running, and its disks change all the time: "luksmith move expect" takes this document`,
    { details: { instance: uuid } },
  );
}

function exists(code: "InstanceExists" | "DomainExists", what: string, uuid: string): LuksmithError {
  return new LuksmithError(code, `${what} already, and was not touched; delete it first`, {
    details: { instance: uuid },
  });
}
