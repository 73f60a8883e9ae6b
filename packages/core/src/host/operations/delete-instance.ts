import { LuksmithError } from "../../errors/luksmith-error.ts";
import { ownSecret } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { InstanceRecord } from "../../journal/inventory.ts";
import type { Step } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import { isUp } from "../guests/find-guest.ts";
import { keysOfOneGuest } from "../guests/guest-keys.ts";
import { requireReceipts } from "../receipts/require-receipts.ts";
import { finishDelete } from "./finish-delete.ts";
import { requireKeyOwner } from "./key-owner.ts";
import { removal } from "./removal.ts";
import { invoker } from "./reveal-secret.ts";
import { sagaStep } from "./steps.ts";
import { keySteps, unfinishedChanges } from "./unfinished-changes.ts";

export interface DeleteOptions {
  /** Also where an encrypted disk is not found: whoever says so knows that it is gone for good. */
  readonly forgetMissing: boolean;
}

/**
 * Ends an instance's guest if Luksmith runs it, erases and removes its disks, then its secrets (never before: a secret is kept while its disk may exist).
 * Once begun it goes forward only; what a crash or an unreachable key manager leaves, `recover` finishes.
 * @throws `DiskNotFound`, `DiskReplaced`, `DiskInUse`, `SigningKeyUnsafe`, and as `requireKeyOwner`, with nothing changed
 */
export async function deleteInstance(
  host: WritableHost,
  instance: InstanceRecord,
  options: DeleteOptions,
  ctx: OpContext,
): Promise<void> {
  const open = options.forgetMissing ? unfinishedChanges(host, instance.uuid) : [];
  using _claim = host.claim(instance.uuid, open);
  const services = await host.services();
  const { erase_receipts: receipts } = host.config.luksmith;
  const guest = host.inventory.guests.find(instance.uuid);
  const running = guest !== undefined && isUp(await services.hypervisor.state(guest.uuid, ctx));
  const steps: Step[] = guest ? [sagaStep({ kind: "end-guest", data: { uuid: guest.uuid } })] : [];
  for (const record of instance.disks) {
    const image = services.backend(record.backend).image(record);
    const identity = await image.requireOurs(record.identity, ctx);
    if (!identity && record.encryption && !options.forgetMissing) throw diskMissing(record.path, image.label);
    if (!running) await image.requireIdle(ctx);
    steps.push(await removal(record, image, identity, receipts, ctx));
  }
  if (instance.disks.some(({ encryption }) => encryption)) {
    await requireKeyOwner(services.keys, instance.uuid, instance.projectId, ctx);
  }
  if (guest) steps.push(sagaStep({ kind: "take-keys", data: { keys: keysOfOneGuest(host, instance) } }));
  const secrets = new Set(instance.disks.flatMap(({ encryption }) => ownSecret(encryption) ?? []));
  steps.push(...[...secrets].map((id) => sagaStep({ kind: "forget", data: { id } })));
  steps.push(...open.flatMap(keySteps));
  const data = { operator: invoker() };
  await requireReceipts(host);
  const operation = host.journal.begin("delete", instance.uuid, ctx, data, steps, open);
  await finishDelete(host, services, operation, instance.uuid, ctx);
}

/** A disk that cannot be seen may still exist (a file system that is not mounted), and then needs its secret. */
export function diskMissing(path: string, label: string): LuksmithError {
  return new LuksmithError(
    "DiskNotFound",
    `${label} is not there, and its passphrase would be deleted: mount its file system or put it back; if it is gone for good, delete with --forget-missing`,
    { details: { path } },
  );
}
