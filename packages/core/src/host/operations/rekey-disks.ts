import { randomUUID } from "node:crypto";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { diskFromJson, diskToJson, hasHeader } from "../../image/image-disk.ts";
import type { Image } from "../../image/image.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { Operation } from "../../journal/journal.ts";
import { secretName } from "../../key-manager/key-manager.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { takeKeys } from "../guests/end-guest.ts";
import { isUp, runningUnder } from "../guests/find-guest.ts";
import { giveKeys, guestKeys } from "../guests/guest-keys.ts";
import { noteFailure } from "./note-failure.ts";
import { OperationSecrets } from "./operation-secrets.ts";
import { diskOf, imageOf } from "./resize-disk.ts";
import { readStep, type SagaStep, sagaStep } from "./steps.ts";
import { journaledRollback, takeBack } from "./undo.ts";

/**
 * Gives one encrypted disk of an instance, or each, a new passphrase; data and volume key stay. Disk by disk: one that
 * fails leaves the others with their new passphrases, and is what is raised. A guest that Luksmith runs may have them open, where their backend
 * can do that (`rekeyOpen`): it has the volume key already, and its next start takes the new passphrase.
 * @param name undefined: all that are encrypted
 * @throws `UnsupportedOperation` (not encrypted), `DiskInUse`, `DomainStateConflict` (in a rescue), `DiskReplaced`, `DiskNotFound` with nothing changed;
 * `EphemeralEncryptionCleanupFailed`: the new passphrase is in force, and the old one will be taken away by recovery
 */
export async function rekeyDisks(
  host: WritableHost,
  instance: InstanceRecord,
  name: string | undefined,
  ctx: OpContext,
): Promise<readonly DiskRecord[]> {
  using _claim = host.claim(instance.uuid);
  const records = name === undefined ? instance.disks.filter(hasHeader) : [diskOf(instance, name)];
  if (records.length === 0 || !records.every(hasHeader)) throw notEncrypted(instance, name);
  const open = (await runningUnder(host, instance.uuid, ctx)) !== undefined;
  const images: [DiskRecord, Image][] = [];
  for (const record of records) {
    const image = await imageOf(host, record, ctx);
    await image.requireKeysFree({ open }, ctx);
    await image.requireNoHeaderCopies(ctx);
    images.push([record, image]);
  }
  const rekeyed: DiskRecord[] = [];
  const failures: unknown[] = [];
  for (const [record, image] of images) {
    try {
      rekeyed.push(await rekeyDisk(host, instance, { record, image, open }, ctx));
    } catch (error) {
      throwIfCancelled(ctx);
      failures.push(error);
    }
  }
  await giveNewKeys(host, instance.uuid, ctx);
  if (failures.length > 0) throw failures[0];
  return rekeyed;
}

/** So that the next start needs no token, as after a stop. The next start gives what is missing all the same. */
export async function giveNewKeys(host: WritableHost, uuid: string, ctx: OpContext): Promise<void> {
  const instance = host.inventory.instance(uuid);
  if (!instance || !host.inventory.guests.find(uuid)) return;
  try {
    await giveKeys(await host.services(), instance, "absent", ctx);
  } catch (error) {
    ctx.log.warn({ instance: uuid, err: error }, "the hypervisor gets the new keys at the next start");
  }
}

async function rekeyDisk(
  host: WritableHost,
  instance: InstanceRecord,
  { record, image, open }: { readonly record: DiskRecord; readonly image: Image; readonly open: boolean },
  ctx: OpContext,
): Promise<DiskRecord> {
  const services = await host.services();
  // Of its own, so that taking it back by its name never finds the one in use.
  const name = `${secretName(instance.uuid, record.uuid)} key ${randomUUID()}`;
  const secrets = await OperationSecrets.plan(services.keys, [name], instance, ctx);
  const operation = host.journal.begin("rekey", instance.uuid, ctx, {}, secrets.steps);
  let rekeyed: DiskRecord;
  try {
    using passphrase = services.luks.generatePassphrase();
    const consumer = { resourceType: "disk", resourceId: record.uuid } as const;
    const { id } = await secrets.make(operation, name, passphrase, consumer, ctx);
    const rollback = journaledRollback(operation, record.backend, image);
    const mark = await image.rekey({ passphrase, secretId: id }, rollback, ctx, { open });
    rekeyed = withSecret(record, id);
    const disk = diskToJson(rekeyed);
    const forward: SagaStep[] = [{ kind: "drop-key", data: { backend: record.backend, disk, mark } }];
    const old = record.encryption?.secretId;
    if (host.inventory.guests.find(instance.uuid)) {
      const keys = guestKeys({ uuid: instance.uuid, disks: [record] }).filter(
        ({ use }) => use.kind === "disk",
      );
      forward.push({ kind: "take-keys", data: { keys } });
    }
    if (old) forward.push({ kind: "forget", data: { id: old } });
    operation.advance(() => host.inventory.setSecret(record, id), ...forward.map(sagaStep));
  } catch (error) {
    throw await takeBack(services, operation, error, ctx, secrets);
  }
  await finishRekey(host, services, operation, ctx);
  ctx.log.info({ disk: record.uuid, secret: rekeyed.encryption?.secretId }, "disk rekeyed");
  return rekeyed;
}

/** Whether the new passphrase is in force: the inventory has it, and only the old one is left to be taken away. */
export function rekeyIsInForce(steps: Operation["steps"]): boolean {
  return steps.some(({ kind }) => kind === "drop-key");
}

/** Takes the old key away: first from the disk, then from the key manager. Idempotent; ignores cancellation. */
export async function finishRekey(
  host: WritableHost,
  services: HostServices,
  operation: Operation,
  ctx: OpContext,
): Promise<void> {
  const steady: OpContext = { ...ctx, signal: new AbortController().signal };
  try {
    for (const step of operation.steps) await carryOut(host, services, readStep(step), steady);
  } catch (error) {
    noteFailure(operation, error);
    const reason = error instanceof Error ? error.message : String(error);
    throw new LuksmithError(
      "EphemeralEncryptionCleanupFailed",
      `the disk has its new passphrase, but the old one could not be taken away: ${reason}. It will be by the next command, or now by "luksmith recover"`,
      { cause: error },
    );
  }
  operation.end("done");
}

async function carryOut(
  host: WritableHost,
  services: HostServices,
  step: SagaStep,
  ctx: OpContext,
): Promise<void> {
  if (step.kind === "drop-key") {
    const { backend, disk, mark } = step.data;
    const image = services.backend(backend).image(diskFromJson(disk));
    const guest = host.inventory.guests.find(image.disk.instanceUuid);
    // It may have been started or have ended since.
    const open = guest !== undefined && isUp(await services.hypervisor.state(guest.uuid, ctx));
    await image.dropKey(mark, ctx, { open });
  }
  if (step.kind === "take-keys") await takeKeys(services.hypervisor, step.data.keys, ctx);
  if (step.kind === "forget") await services.keys.delete({ id: step.data.id }, ctx);
}

function withSecret(record: DiskRecord, secretId: string): DiskRecord {
  const { encryption } = record;
  return encryption ? { ...record, encryption: { ...encryption, secretId } } : record;
}

export function notEncrypted(instance: InstanceRecord, name: string | undefined): LuksmithError {
  const what = name === undefined ? "no disk" : `disk ${name}`;
  return new LuksmithError(
    "UnsupportedOperation",
    `${what} of instance ${instance.uuid} is ${name === undefined ? "" : "not "}encrypted with key slots: there is no key to change`,
    { details: { instance: instance.uuid } },
  );
}
