import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { Image } from "../../image/image.ts";
import type { VerifyReport } from "../../image/verify-report.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { Operation } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { requireKeyOwner } from "../operations/key-owner.ts";
import { requireAbsent, requireSpace } from "../operations/prepare-create.ts";
import { recallPassphrase } from "../operations/recall-passphrase.ts";
import { sagaStep } from "../operations/steps.ts";
import { journaledRollback, takeBack } from "../operations/undo.ts";
import { requireNew } from "./adopt-guest.ts";
import { giveKeys, guestKeys } from "./guest-keys.ts";
import { type MoveDocument, listedDisk, arrivedInstance } from "./move-document.ts";
import { type MoveTarget, targetOf } from "./move-target.ts";

interface Place {
  readonly image: Image;
  readonly backend: string;
  /** It is where it shall be: the guest on the other host has it open. */
  readonly shared: boolean;
}

/**
 * Makes room for a guest that another host has offered running: disks of the same sizes, blank, each encrypted one with a
 * volume key of its own and opened by the passphrase that the disk has already; the keys are in the hypervisor when this
 * returns. All of it or nothing. Again, while the guest is expected: keys that the hypervisor has forgotten are given anew.
 * @returns what `sendGuest` on the other host takes
 * @throws `InstanceExists`, `DomainExists`, `DiskExists`, `NoSpace`, `UnsupportedOperation`, and what keeps the key manager
 * from answering
 */
export async function expectGuest(
  host: WritableHost,
  document: MoveDocument,
  ctx: OpContext,
): Promise<MoveTarget> {
  const { uuid, project_id } = document.instance;
  if (!document.live) throw isOff(uuid);
  using _claim = host.claim(uuid, [], { moving: true });
  const services = await host.services();
  const uri = host.config.libvirt.connection_uri;
  const expected = expectedAlready(host, document);
  if (expected) {
    await giveKeys(services, expected, "all", ctx);
    return targetOf(expected, uri);
  }
  await requireNew(host, services, uuid, ctx);
  const places = document.disks.map((moved): Place => {
    const backend = services.backend(moved.backend);
    const image = backend.image(listedDisk(document, moved));
    const { shared = false } = backend.capabilities;
    if (shared && image.path !== moved.path) throw elsewhere(image, moved.path);
    return { image, backend: backend.name, shared };
  });
  for (const { image, shared } of places) {
    image.requireEncryptionSupport();
    if (!shared) await requireAbsent(image, ctx);
    else if (!(await image.identify(ctx))) throw elsewhere(image, image.path);
  }
  // All of it will come.
  const filled = places.flatMap(({ image, shared }) =>
    shared ? [] : [{ image, disk: image.disk, contentBytes: image.disk.virtualSize, baseBytes: 0n }],
  );
  await requireSpace(filled, ctx);
  await requireKeyOwner(services.keys, uuid, project_id ?? undefined, ctx);
  for (const { image } of places)
    (await recallPassphrase(services.keys, image.disk, ctx))?.[Symbol.dispose]();
  const operation = host.journal.begin("expect", uuid, ctx, {});
  try {
    const disks: DiskRecord[] = [];
    for (const place of places) disks.push(await makeDisk(services, place, operation, ctx));
    const instance = arrivedInstance(document, disks);
    await makeReady(host, services, document, instance, operation, ctx);
    ctx.log.info({ instance: uuid, disks: disks.length }, "guest expected");
    return targetOf(instance, uri);
  } catch (error) {
    throw await takeBack(services, operation, error, ctx);
  }
}

async function makeDisk(
  services: HostServices,
  { image, backend, shared }: Place,
  operation: Operation,
  ctx: OpContext,
): Promise<DiskRecord> {
  throwIfCancelled(ctx);
  if (shared) {
    const { ok, checks } = await image.verify(ctx);
    if (!ok) throw notOurs(image, checks);
  } else {
    using passphrase = await recallPassphrase(services.keys, image.disk, ctx);
    const rollback = journaledRollback(operation, backend, image);
    await image.create({ source: { kind: "blank" }, ...(passphrase ? { passphrase } : {}) }, rollback, ctx);
  }
  const identity = await image.identify(ctx);
  if (!identity) {
    throw new LuksmithError("DiskNotProven", `${image.label} vanished`);
  }
  const createdAt = new Date().toISOString();
  return { ...image.disk, backend, path: image.path, source: image.source(), identity, createdAt };
}

async function makeReady(
  host: WritableHost,
  services: HostServices,
  document: MoveDocument,
  instance: InstanceRecord,
  operation: Operation,
  ctx: OpContext,
): Promise<void> {
  const { uuid } = instance;
  const definition = services.hypervisor.redescribe(document.definition, instance, host.config);
  const keys = guestKeys(instance);
  operation.intend(
    ...keys.map(({ secretId }) => sagaStep({ kind: "forget-copy", data: { id: secretId } })),
    sagaStep({ kind: "take-keys", data: { keys } }),
  );
  await services.copies.keep(keys, ctx);
  await giveKeys(services, instance, "all", ctx);
  operation.end("done", () => {
    host.inventory.addInstance(instance);
    host.inventory.guests.add({ uuid, definition, wanted: "on", moving: "arriving", rescued: false });
  });
}

/** @throws `InstanceExists`: something of this name is there that is not what is expected */
function expectedAlready(host: WritableHost, { instance, disks }: MoveDocument): InstanceRecord | undefined {
  const found = host.inventory.instance(instance.uuid);
  if (host.inventory.guests.find(instance.uuid)?.moving !== "arriving") return undefined;
  const same = disks.every(({ uuid, virtual_size, encryption }) =>
    found?.disks.some(
      (disk) =>
        disk.uuid === uuid &&
        disk.virtualSize === BigInt(virtual_size) &&
        (disk.encryption?.secretId ?? null) === (encryption?.secret_id ?? null),
    ),
  );
  if (found && same && found.disks.length === disks.length) return found;
  throw new LuksmithError(
    "InstanceExists",
    `instance ${instance.uuid} is expected here with other disks; dismiss that first: "luksmith move dismiss ${instance.uuid}"`,
    { details: { instance: instance.uuid } },
  );
}

/** Its content would have to be copied to storage that this host alone has, which is for files and volumes. */
function elsewhere({ disk, label }: Image, path: string): LuksmithError {
  return new LuksmithError(
    "DiskNotFound",
    `${label}: the guest has it at ${path}, which this host must have too, under the same name; nothing was changed, set up the same storage here, or stop the guest and move it with copies ("luksmith move adopt --from")`,
    { details: { disk: disk.name, path } },
  );
}

function notOurs({ disk, label, path }: Image, checks: VerifyReport["checks"]): LuksmithError {
  const failed = checks.filter(({ result }) => result === "fail").map(({ message }) => message);
  return new LuksmithError("DiskNotProven", `${label} is not as it was offered: ${failed.join("; ")}`, {
    details: { disk: disk.name, path },
  });
}

function isOff(uuid: string): LuksmithError {
  return new LuksmithError(
    "InvalidRequest",
    `guest ${uuid} was offered while it is off: "luksmith move adopt" takes this document; "luksmith move offer ${uuid} --live" offers a running one`,
    { details: { instance: uuid } },
  );
}
