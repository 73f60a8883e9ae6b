import { LuksmithError } from "../../errors/luksmith-error.ts";
import { diskToJson } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { GuestRecord } from "../../journal/guests.ts";
import type { WritableHost } from "../host.ts";
import { finishDelete } from "../operations/finish-delete.ts";
import { requireKeyOwner } from "../operations/key-owner.ts";
import { sagaStep } from "../operations/steps.ts";
import { requireReceipts } from "../receipts/require-receipts.ts";
import { findGuest, isUp } from "./find-guest.ts";
import { guestKeys } from "./guest-keys.ts";
import { powerOn } from "./power-on.ts";
import { RESCUE_DISK } from "./rescue-view.ts";

/**
 * Ends a rescue: the guest is ended, its rescue disk erased and removed, then the disk's keys; and if it ran, it is started
 * from its own disks. Once begun it goes forward; a crash may leave the guest off, and `resumeGuests` starts it.
 * @throws `DomainStateConflict`: it is not rescued; `DiskReplaced`, and as `requireKeyOwner`, with nothing changed
 */
export async function unrescueGuest(host: WritableHost, uuid: string, ctx: OpContext): Promise<GuestRecord> {
  using _claim = host.claim(uuid);
  const { instance, guest } = findGuest(host, uuid);
  const disk = instance.disks.find(({ name }) => name === RESCUE_DISK);
  if (!guest.rescued || !disk) throw notRescued(uuid);
  const services = await host.services();
  const wasUp = isUp(await services.hypervisor.state(uuid, ctx));
  const image = services.backend(disk.backend).image(disk);
  const identity = await image.requireOurs(disk.identity, ctx);
  const secretId = disk.encryption?.secretId;
  if (secretId) await requireKeyOwner(services.keys, uuid, instance.projectId, ctx);
  const keys = guestKeys({ uuid, disks: [disk] }).filter(({ use }) => use.kind === "disk");
  await requireReceipts(host);
  const operation = host.journal.begin("unrescue", uuid, ctx, {}, [
    sagaStep({ kind: "power", data: { uuid } }),
    sagaStep({
      kind: "remove",
      data: { backend: disk.backend, disk: diskToJson(disk), identity: identity ?? null },
    }),
    sagaStep({ kind: "take-keys", data: { keys } }),
    ...(secretId ? [sagaStep({ kind: "forget", data: { id: secretId } })] : []),
  ]);
  await finishDelete(host, services, operation, uuid, ctx);
  if (wasUp) await powerOn(host, findGuest(host, uuid), ctx);
  return { ...guest, rescued: false };
}

function notRescued(uuid: string): LuksmithError {
  return new LuksmithError("DomainStateConflict", `guest ${uuid} is not rescued`, {
    details: { guest: uuid },
  });
}
