import { LuksmithError } from "../../errors/luksmith-error.ts";
import { type DiskIdentity, diskToJson } from "../../image/image-disk.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { Operation, Step } from "../../journal/journal.ts";
import type { InstanceRequest } from "../../request/instance-request.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { finishDelete } from "../operations/finish-delete.ts";
import { makeDisk } from "../operations/make-disk.ts";
import { planAgain } from "../operations/plan-again.ts";
import { type PreparedDisk, prepareCreate } from "../operations/prepare-create.ts";
import { recallPassphrase } from "../operations/recall-passphrase.ts";
import { sagaStep } from "../operations/steps.ts";
import { takeBack } from "../operations/undo.ts";
import { findInstance } from "../operations/verify-disks.ts";
import { requireReceipts } from "../receipts/require-receipts.ts";
import { isUp } from "./find-guest.ts";
import { guestKeys, keysOfOneGuest } from "./guest-keys.ts";
import { backOn, powerOn } from "./power-on.ts";
import { powerOff } from "./stop-guest.ts";

export interface RebuildOptions {
  /** How long the guest may take to shut down; 0: none. */
  readonly timeoutMs: number;
}

/** Under which names new disks wait for those of the old ones. */
const WAITING = ".rebuild";

/**
 * Makes an instance's disks anew from a request, as Nova's rebuild: other content, other volume keys; UUIDs, secrets and
 * who owns them stay. The new disks are made and proven beside the old ones, while the guest still runs; only then it is
 * stopped, the old disks are erased, and the new ones get their names. What fails or is killed before that leaves the
 * instance as it was; afterwards it goes forward only, and `recover` needs neither image nor token for it.
 * @throws as `createInstance` refuses; `InvalidRequest`: other disks than there are; `DomainStateConflict`: it is rescued;
 * `UnsupportedOperation`: a backend that cannot rename
 */
export async function rebuildInstance(
  host: WritableHost,
  request: InstanceRequest,
  { timeoutMs }: RebuildOptions,
  ctx: OpContext,
): Promise<InstanceRecord> {
  const { id } = request.server;
  using _claim = host.claim(id);
  const instance = findInstance(host, id);
  const guest = host.inventory.guests.find(id);
  if (guest?.rescued) throw isRescued(id);
  const plan = planAgain(host.config, request, instance.disks);
  const services = await host.services();
  await using stack = new AsyncDisposableStack();
  const prepared = await prepareCreate(
    plan,
    services,
    host.config,
    stack,
    ctx,
    ({ name }) => `${name}${WAITING}`,
  );
  requireRenaming(prepared);
  const old = await oldDisks(services, instance, guest === undefined, ctx);
  const wasUp = guest !== undefined && isUp(await services.hypervisor.state(id, ctx));
  await requireReceipts(host);
  const operation = host.journal.begin("rebuild", id, ctx, {});
  const { diskInfo, blockDeviceInfo } = plan;
  let next: InstanceRecord;
  try {
    const waiting = await makeWaiting(services, prepared, operation, ctx);
    const disks = waiting.map((disk) => named(services, disk));
    next = { ...instance, diskInfo, blockDeviceInfo, disks };
    const keys = keysNoMore(host, instance, next);
    if (guest) await powerOff(services.hypervisor, id, new Date(Date.now() + timeoutMs), ctx);
    throwIfCancelled(ctx);
    operation.advance(
      () => host.inventory.replaceDisks(next),
      ...(guest ? [sagaStep({ kind: "power", data: { uuid: id } })] : []),
      ...instance.disks.map((disk, at) => replacing(disk, old[at] ?? null, waiting)),
      ...(keys.length > 0 ? [sagaStep({ kind: "take-keys", data: { keys } })] : []),
    );
  } catch (error) {
    const raised = await takeBack(services, operation, error, ctx);
    if (guest && wasUp) await backOn(host, { instance, guest }, ctx);
    throw raised;
  }
  // From here on nobody can want it back.
  const steady = { ...ctx, signal: new AbortController().signal };
  await finishDelete(host, services, operation, id, steady);
  ctx.log.info({ instance: id, disks: next.disks.length }, "instance rebuilt");
  if (guest && wasUp) await powerOn(host, { instance: next, guest }, ctx);
  return next;
}

function requireRenaming(prepared: readonly PreparedDisk[]): void {
  const cannot = prepared.find(({ image }) => !image.rename);
  if (!cannot) return;
  throw new LuksmithError(
    "UnsupportedOperation",
    `${cannot.image.label} cannot be renamed on its backend, and so not be rebuilt; delete the instance and spawn it again`,
  );
}

/** What is there of the old disks; null: lost already. */
async function oldDisks(
  services: HostServices,
  { disks }: InstanceRecord,
  mustBeIdle: boolean,
  ctx: OpContext,
): Promise<readonly (DiskIdentity | null)[]> {
  const identities: (DiskIdentity | null)[] = [];
  for (const record of disks) {
    const image = services.backend(record.backend).image(record);
    identities.push((await image.requireOurs(record.identity, ctx)) ?? null);
    if (mustBeIdle) await image.requireIdle(ctx);
  }
  return identities;
}

async function makeWaiting(
  services: HostServices,
  prepared: readonly PreparedDisk[],
  operation: Operation,
  ctx: OpContext,
): Promise<readonly DiskRecord[]> {
  using passphrases = new DisposableStack();
  const keyed: (PreparedDisk & { passphrase: Awaited<ReturnType<typeof recallPassphrase>> })[] = [];
  // All of them first: whoever may not read one gets nothing made.
  for (const each of prepared) {
    const passphrase = await recallPassphrase(services.keys, each.disk, ctx);
    keyed.push({ ...each, passphrase: passphrase && passphrases.use(passphrase) });
  }
  const made: DiskRecord[] = [];
  for (const { disk, source, passphrase } of keyed) {
    throwIfCancelled(ctx);
    made.push(await makeDisk(services.chosenBackend, disk, source, passphrase, operation, ctx));
  }
  return made;
}

/** A waiting disk as it will be when it has its name. */
function named(services: HostServices, waiting: DiskRecord): DiskRecord {
  const { backing } = waiting.source;
  const disk = { ...waiting, name: nameOf(waiting), ...(backing ? { backing } : {}) };
  const image = services.backend(waiting.backend).image(disk);
  return { ...disk, path: image.path, source: image.source() };
}

function replacing(old: DiskRecord, identity: DiskIdentity | null, made: readonly DiskRecord[]): Step {
  const waiting = made.find(({ uuid }) => uuid === old.uuid);
  if (!waiting) throw new Error(`a rebuild makes every disk anew, and ${old.name} was not made`);
  return sagaStep({
    kind: "replace",
    data: {
      old: { backend: old.backend, disk: diskToJson(old), identity },
      waiting: { backend: waiting.backend, disk: diskToJson(waiting), identity: waiting.identity },
      name: old.name,
    },
  });
}

function nameOf({ name }: DiskRecord): string {
  return name.slice(0, -WAITING.length);
}

/** Keys of bases on which nothing stands any more; the disks' own go on being used. */
function keysNoMore(host: WritableHost, before: InstanceRecord, next: InstanceRecord) {
  const wanted = new Set(guestKeys(next).map(({ secretId }) => secretId));
  return keysOfOneGuest(host, before).filter(({ secretId }) => !wanted.has(secretId));
}

function isRescued(uuid: string): LuksmithError {
  return new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} is rescued; end that first: "luksmith unrescue ${uuid}"`,
    { details: { guest: uuid } },
  );
}
