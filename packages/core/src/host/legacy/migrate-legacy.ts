import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { Image } from "../../image/image.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { ReadableHost, WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { requireKeyOwner } from "../operations/key-owner.ts";
import { requireAbsent } from "../operations/prepare-create.ts";
import { findInstance } from "../operations/verify-disks.ts";
import { copyAndCompare, PIECE_BYTES, plannedCopy, prepareCopy } from "./copy-disk.ts";
import { secondsFor } from "./estimate.ts";
import { abandonCopy, swapDisk } from "./swap-disk.ts";

export interface MigrateOptions {
  /** Also disks on which nothing shows that the key is the right one: whoever says so has looked by himself. */
  readonly acceptUnproven: boolean;
  /** Between two checkpoints; default 64 MiB. */
  readonly pieceBytes?: bigint;
}

/** What a migration does to one disk, or would. */
export interface MigratedDisk {
  readonly disk: DiskRecord;
  /** What shows that the key is the right one; undefined: nothing. */
  readonly evidence: string | undefined;
  /** Bytes that are copied already, by a migration that was cut short. */
  readonly copied: bigint;
  /** Bytes of storage that are needed until the old disk is removed. */
  readonly space: bigint;
  /** About; undefined: nothing was measured. */
  readonly seconds: number | undefined;
}

interface Candidate extends Omit<MigratedDisk, "seconds"> {
  readonly image: Image;
}

/** What a migration would do; everything that it would refuse is refused, and nothing is changed. */
export async function previewMigration(
  host: ReadableHost,
  uuid: string,
  options: MigrateOptions,
  ctx: OpContext,
): Promise<readonly MigratedDisk[]> {
  const services = await host.services();
  const disks: MigratedDisk[] = [];
  for (const { image, ...rest } of await candidates(host, services, findInstance(host, uuid), options, ctx)) {
    disks.push({ ...rest, seconds: await secondsFor(image, services.luks, rest.copied, ctx) });
  }
  return disks;
}

/**
 * Gives each disk of dm-crypt's plain mode of an instance a LUKSv1 container, a passphrase and a volume key of its own. No guest may use them.
 * Disk by disk: copied into a new one, compared, names swapped; until then the old disk and its key are as they
 * were. Killed at any point, the next call goes on.
 * @returns the disks as they are now
 * @throws `DiskInUse`, `DiskNotProven`, `NoSpace`, `EphemeralEncryptionSecretNotFound`, … with nothing changed
 */
export async function migrateLegacy(
  host: WritableHost,
  uuid: string,
  options: MigrateOptions,
  ctx: OpContext,
): Promise<readonly DiskRecord[]> {
  using _claim = host.claim(uuid, [], { reencrypting: true });
  const services = await host.services();
  const found = await candidates(host, services, findInstance(host, uuid), options, ctx);
  for (const { disk, image } of found) {
    const instance = findInstance(host, uuid);
    const begun =
      host.inventory.reencryptions.find(disk.uuid) ?? (await prepareCopy(host, instance, disk, ctx));
    await copyAndCompare(host, image, begun, options.pieceBytes ?? PIECE_BYTES, ctx);
    await swapDisk(host, instance, disk, begun, ctx);
    ctx.log.info({ disk: disk.uuid, instance: uuid }, "a plain dm-crypt disk has a LUKS container now");
  }
  const migrated = new Set(found.map(({ disk }) => disk.uuid));
  return findInstance(host, uuid).disks.filter((disk) => migrated.has(disk.uuid));
}

/** Takes the unfinished copies of an instance away. @returns the disks, which are as they were */
export async function abandonMigration(
  host: WritableHost,
  uuid: string,
  ctx: OpContext,
): Promise<readonly DiskRecord[]> {
  using _claim = host.claim(uuid, [], { reencrypting: true });
  const { disks } = findInstance(host, uuid);
  const abandoned: DiskRecord[] = [];
  for (const begun of host.inventory.reencryptions.of(uuid)) {
    const record = disks.find((disk) => disk.uuid === begun.disk);
    if (!record) continue;
    await abandonCopy(host, record, begun, ctx);
    abandoned.push(record);
  }
  return abandoned;
}

async function candidates(
  host: ReadableHost,
  services: HostServices,
  instance: InstanceRecord,
  { acceptUnproven }: MigrateOptions,
  ctx: OpContext,
): Promise<readonly Candidate[]> {
  const plain = instance.disks.filter(({ encryption }) => encryption?.format === "plain");
  if (plain.length === 0) {
    throw new LuksmithError(
      "UnsupportedOperation",
      `instance ${instance.uuid} has no disk of dm-crypt's plain mode; "luksmith legacy list" shows those there are`,
      { details: { instance: instance.uuid } },
    );
  }
  await requireKeyOwner(services.keys, instance.uuid, instance.projectId, ctx);
  const found: Candidate[] = [];
  for (const disk of plain) {
    const image = services.backend(disk.backend).image(disk);
    if (!(await image.requireOurs(disk.identity, ctx)))
      throw new LuksmithError(
        "DiskNotFound",
        `${disk.path} (${disk.name}) is not there; there is nothing to migrate`,
      );
    const copy = services.backend(disk.backend).image(plannedCopy(disk));
    copy.requireEncryptionSupport();
    if (!image.rename || !copy.rename)
      throw new LuksmithError("UnsupportedOperation", `disks of ${disk.backend} cannot be renamed`);
    await image.requireIdle(ctx);
    const evidence = await image.evidence?.(ctx);
    if (evidence === undefined && !acceptUnproven) throw unproven(image);
    const begun = host.inventory?.reencryptions.find(disk.uuid);
    const space = copy.spaceNeeded(disk.virtualSize);
    if (!begun) {
      await requireAbsent(copy, ctx);
      await requireRoom(copy, space, ctx);
    }
    found.push({ disk, image, evidence, copied: begun?.copied ?? 0n, space });
  }
  return found;
}

/** One disk at a time has two places. */
export async function requireRoom(copy: Image, needed: bigint, ctx: OpContext): Promise<void> {
  const free = await copy.spaceFree(ctx);
  if (free === undefined || needed <= free) return;
  throw new LuksmithError(
    "NoSpace",
    `the copy of ${copy.disk.name} of instance ${copy.disk.instanceUuid} needs ${needed} bytes beside the disk, ${free} are free; make room, or add storage`,
    { details: { needed: Number(needed), free: Number(free) } },
  );
}

function unproven({ label, disk }: Image): LuksmithError {
  return new LuksmithError(
    "DiskNotProven",
    `with the recorded key and hash nothing on ${label} looks like a disk: key, hash, cipher or key size may be wrong, or the guest never wrote anything that is known here; nothing was changed. Open it and look; if it is right, repeat with --accept-unproven`,
    { details: { disk: disk.name } },
  );
}
