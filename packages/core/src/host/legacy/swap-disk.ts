import { LuksmithError } from "../../errors/luksmith-error.ts";
import {
  type DiskIdentity,
  diskFromJson,
  diskToJson,
  hasHeader,
  type ImageDisk,
  ownSecret,
} from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import { sameIdentity } from "../../image/same-identity.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { Operation, Step } from "../../journal/journal.ts";
import type { ReceiptRecord } from "../../journal/receipts.ts";
import type { Reencryption } from "../../journal/reencryptions.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { takeKeys } from "../guests/end-guest.ts";
import { guestKeys } from "../guests/guest-keys.ts";
import { ErasureLog } from "../receipts/erasure-log.ts";
import { writeReceipts } from "../receipts/write-receipts.ts";
import { noteFailure } from "../operations/note-failure.ts";
import { carryOutRemoval } from "../operations/removal.ts";
import { invoker } from "../operations/reveal-secret.ts";
import { readStep, type SagaStep, sagaStep } from "../operations/steps.ts";

/** What an old disk is called while it goes. */
function oldName({ name, encryption }: DiskRecord): string {
  return `${name}.${encryption?.format === "plain" ? "plain" : "old"}`;
}

/**
 * Puts a proven copy in the place of its disk: names are swapped, the inventory has the new one, then the old one is removed and,
 * with the last disk that it opened, its key. Once begun it goes forward only.
 * @throws `EphemeralEncryptionCleanupFailed`: recovery finishes it
 */
export async function swapDisk(
  host: WritableHost,
  instance: InstanceRecord,
  record: DiskRecord,
  { target, identity }: Reencryption,
  ctx: OpContext,
): Promise<void> {
  const services = await host.services();
  const { backend, name } = record;
  const old = diskToJson(record);
  const copy = diskFromJson(target);
  const last = diskToJson({ ...record, name: oldName(record) });
  const steps: SagaStep[] = [
    { kind: "rename", data: { backend, disk: old, identity: record.identity, to: oldName(record) } },
    { kind: "rename", data: { backend, disk: target, identity, to: name } },
    { kind: "take-place", data: { backend, disk: diskToJson({ ...copy, name }), identity } },
    { kind: "remove", data: { backend, disk: last, identity: record.identity } },
  ];
  if (hasHeader(record) && host.inventory.guests.find(instance.uuid)) {
    const keys = guestKeys({ uuid: instance.uuid, disks: [record] }).filter(({ use }) => use.kind === "disk");
    steps.push({ kind: "take-keys", data: { keys } });
  }
  const key = ownSecret(record.encryption);
  const shared = instance.disks.some(({ uuid, encryption }) => {
    return uuid !== record.uuid && encryption?.secretId === record.encryption?.secretId;
  });
  if (key !== undefined && !shared) steps.push({ kind: "forget", data: { id: key } });
  const operation = host.journal.begin("swap", instance.uuid, ctx, data(record), steps.map(sagaStep));
  await finishSwap(host, services, operation, ctx);
}

/** Takes an unfinished copy away, and its passphrase. The disk stays as it is. */
export async function abandonCopy(
  host: WritableHost,
  record: DiskRecord,
  { target, identity }: Reencryption,
  ctx: OpContext,
): Promise<void> {
  const services = await host.services();
  const steps: SagaStep[] = [{ kind: "remove", data: { backend: record.backend, disk: target, identity } }];
  const id = diskFromJson(target).encryption?.secretId;
  if (id) steps.push({ kind: "forget", data: { id } });
  const begun = steps.map(sagaStep);
  const operation = host.journal.begin("abandon", record.instanceUuid, ctx, data(record), begun);
  await finishSwap(host, services, operation, ctx);
}

function data({ uuid }: DiskRecord): { readonly disk: string; readonly operator: string } {
  return { disk: uuid, operator: invoker() };
}

/** Carries a swap or an abandonment to its end. Idempotent; ignores cancellation. */
export async function finishSwap(
  host: WritableHost,
  services: HostServices,
  operation: Operation,
  ctx: OpContext,
): Promise<void> {
  const steady: OpContext = { ...ctx, signal: new AbortController().signal };
  const disks = new Set<string>();
  // Once the inventory has the new disk, the names are right, and the old disk may be gone.
  const placed = operation.steps.some((step) => isPlaced(host, readStep(step)));
  // A copy that was given up was never anybody's disk.
  const wanted = host.config.luksmith.erase_receipts && operation.kind === "swap";
  const erasures = new ErasureLog(operation, wanted);
  const deleted = new Map<string, string>();
  let receipts: readonly ReceiptRecord[];
  try {
    for (const step of operation.steps.slice()) {
      if (placed && (step.kind === "rename" || step.kind === "take-place")) continue;
      const saga = readStep(step);
      await carryOut(host, services, saga, erasures, steady);
      if (saga.kind === "forget") deleted.set(saga.data.id, new Date().toISOString());
      disks.add(uuidOf(step) ?? "");
    }
    const open = wanted ? host.journal.stillOpen(operation.id) : undefined;
    receipts = open ? await writeReceipts(host, services, { operation: open, erasures, deleted }) : [];
  } catch (error) {
    noteFailure(operation, error);
    throw unfinished(operation.kind, error);
  }
  operation.end("done", () => {
    for (const receipt of receipts) host.inventory.receipts.add(receipt);
    disks.forEach((disk) => host.inventory.reencryptions.remove(disk));
  });
}

function isPlaced(host: WritableHost, step: SagaStep): boolean {
  if (step.kind !== "take-place") return false;
  const { uuid, instanceUuid } = diskFromJson(step.data.disk);
  const record = host.inventory.instance(instanceUuid)?.disks.find((disk) => disk.uuid === uuid);
  return record !== undefined && sameIdentity(record.identity, step.data.identity);
}

function uuidOf(step: Step): string | undefined {
  const saga = readStep(step);
  return "disk" in saga.data ? diskFromJson(saga.data.disk).uuid : undefined;
}

async function carryOut(
  host: WritableHost,
  services: HostServices,
  step: SagaStep,
  erasures: ErasureLog,
  ctx: OpContext,
): Promise<void> {
  switch (step.kind) {
    case "rename":
      await rename(services, step.data.backend, diskFromJson(step.data.disk), step.data, ctx);
      return;
    case "take-place":
      await replace(host, services, step.data.backend, diskFromJson(step.data.disk), step.data.identity, ctx);
      return;
    case "remove":
      await carryOutRemoval(services, step.data, erasures, ctx);
      return;
    case "take-keys":
      await takeKeys(services.hypervisor, step.data.keys, ctx);
      return;
    case "erased":
      return;
    case "forget":
      await services.keys.delete({ id: step.data.id }, ctx);
      return;
    default:
      throw new LuksmithError(
        "JournalCorrupt",
        `the journal holds a step ${step.kind} that a swap does not have`,
      );
  }
}

async function rename(
  services: HostServices,
  backend: string,
  disk: ImageDisk,
  { identity, to }: { readonly identity: DiskIdentity; readonly to: string },
  ctx: OpContext,
): Promise<void> {
  const image = services.backend(backend).image(disk);
  const found = await image.identify(ctx);
  if (found && sameIdentity(found, identity)) {
    await image.deactivate(ctx);
    await image.rename?.(identity, to, ctx);
    return;
  }
  const renamed = await services
    .backend(backend)
    .image({ ...disk, name: to })
    .identify(ctx);
  if (renamed && sameIdentity(renamed, identity)) return;
  throw new LuksmithError(
    "DiskReplaced",
    `neither ${image.path} nor what is called ${to} beside it is the disk that was about to be renamed; somebody else has changed it, nothing was touched`,
  );
}

/** The new disk is opened once more under its own name: until then the old one and its key are there. */
async function replace(
  host: WritableHost,
  services: HostServices,
  backend: string,
  disk: ImageDisk,
  identity: DiskIdentity,
  ctx: OpContext,
): Promise<void> {
  const image = services.backend(backend).image(disk);
  const found = await image.identify(ctx);
  const { ok, checks } = await image.verify(ctx);
  if (!found || !sameIdentity(found, identity) || !ok) {
    const why = checks.filter(({ result }) => result === "fail").map(({ message }) => message);
    throw new LuksmithError(
      "DiskNotProven",
      `the new ${image.label} is not as it was made: ${why.join("; ") || "it is another disk"}; the old one is still there, under another name beside it`,
    );
  }
  const createdAt = new Date().toISOString();
  const { path } = image;
  const record: DiskRecord = { ...disk, backend, path, source: image.source(), identity, createdAt };
  host.inventory.transaction(() => host.inventory.replaceDisk(record));
}

function unfinished(kind: string, error: unknown): LuksmithError {
  const reason = error instanceof Error ? error.message : String(error);
  const what = kind === "swap" ? "putting the new disk in place of the old one" : "taking the copy away";
  return new LuksmithError(
    "EphemeralEncryptionCleanupFailed",
    `${what} began and could not be finished: ${reason}. It will be finished by the next command, or now by "luksmith recover"`,
    { cause: error },
  );
}
