import { LuksmithError } from "../../errors/luksmith-error.ts";
import { hasHeader } from "../../image/image-disk.ts";
import type { Image } from "../../image/image.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import { copyAndCompare, PIECE_BYTES, plannedCopy, prepareCopy } from "../legacy/copy-disk.ts";
import { abandonMigration, requireRoom } from "../legacy/migrate-legacy.ts";
import { swapDisk } from "../legacy/swap-disk.ts";
import type { WritableHost } from "../host.ts";
import { requireReceipts } from "../receipts/require-receipts.ts";
import { requireKeyOwner } from "./key-owner.ts";
import { requireAbsent } from "./prepare-create.ts";
import { giveNewKeys, notEncrypted } from "./rekey-disks.ts";
import { diskOf, imageOf } from "./resize-disk.ts";
import { findInstance } from "./verify-disks.ts";

export interface VolumeKeyOptions {
  /** In disk_info; undefined: each that is encrypted. */
  readonly disk: string | undefined;
  /** Takes back what an earlier call began and did not finish. */
  readonly abandon: boolean;
  /** Between two checkpoints; default 64 MiB. */
  readonly pieceBytes?: bigint;
}

interface Candidate {
  readonly record: DiskRecord;
  readonly image: Image;
}

/**
 * Encrypts disks of an instance anew: another volume key, another passphrase. No guest may use them. Each disk is copied into a
 * new one beside it, decrypted and encrypted in memory, compared, then names are swapped and the old one erased; until then the old one is as it
 * was. Killed at any point, the next call goes on.
 * @returns the disks as they are now
 * @throws `UnsupportedOperation` (not encrypted, or on a backend that cannot copy its disks in parts), `DiskInUse`, `HeaderCopiesRemain`, `NoSpace`, … with nothing changed
 */
export async function rekeyVolumeKeys(
  host: WritableHost,
  uuid: string,
  { disk: name, abandon, pieceBytes = PIECE_BYTES }: VolumeKeyOptions,
  ctx: OpContext,
): Promise<readonly DiskRecord[]> {
  if (abandon) return await abandonMigration(host, uuid, ctx);
  using _claim = host.claim(uuid, [], { reencrypting: true });
  const found = await candidates(host, findInstance(host, uuid), name, ctx);
  for (const { record, image } of found) {
    const instance = findInstance(host, uuid);
    const begun =
      host.inventory.reencryptions.find(record.uuid) ?? (await prepareCopy(host, instance, record, ctx));
    await copyAndCompare(host, image, begun, pieceBytes, ctx);
    await swapDisk(host, instance, record, begun, ctx);
    ctx.log.info({ disk: record.uuid, instance: uuid }, "a disk has another volume key now");
  }
  await giveNewKeys(host, uuid, ctx);
  const changed = new Set(found.map(({ record }) => record.uuid));
  return findInstance(host, uuid).disks.filter((disk) => changed.has(disk.uuid));
}

async function candidates(
  host: WritableHost,
  instance: InstanceRecord,
  name: string | undefined,
  ctx: OpContext,
): Promise<readonly Candidate[]> {
  const records = name === undefined ? instance.disks.filter(hasHeader) : [diskOf(instance, name)];
  if (records.length === 0 || !records.every(hasHeader)) throw notEncrypted(instance, name);
  const services = await host.services();
  await requireKeyOwner(services.keys, instance.uuid, instance.projectId, ctx);
  const found: Candidate[] = [];
  for (const record of records) {
    const image = await imageOf(host, record, ctx);
    const copy = services.backend(record.backend).image(plannedCopy(record));
    if (!image.hasParts || !image.rename || !copy.rename) throw cannotCopy(image);
    await image.requireIdle(ctx);
    // They would go with the old disk.
    await image.requireNoHeaderCopies(ctx);
    if (!host.inventory.reencryptions.find(record.uuid)) {
      await requireAbsent(copy, ctx);
      await requireRoom(copy, await image.spaceForTwin(ctx), ctx);
    }
    found.push({ record, image });
  }
  await requireReceipts(host);
  return found;
}

function cannotCopy({ label, disk }: Image): LuksmithError {
  return new LuksmithError(
    "UnsupportedOperation",
    `${label} cannot be encrypted anew in one step on its backend; for a guest that Luksmith runs, "luksmith shelve" and "luksmith unshelve" give it another volume key`,
    { details: { disk: disk.name } },
  );
}
