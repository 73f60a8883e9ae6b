import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { BackingSource } from "../../image/image-disk.ts";
import type { Image } from "../../image/image.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { OpenOperation, Operation } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";
import { diskOf, imageOf } from "./resize-disk.ts";

/**
 * Copies into a disk what it has of its base, so that it stands alone. One that stands alone already is success.
 * @throws `UnsupportedOperation`, `DiskInUse`, `DiskReplaced`, `DiskNotFound`, `NoSpace`, `Cancelled`: the disk is as it was
 */
export async function flattenDisk(
  host: WritableHost,
  instance: InstanceRecord,
  name: string,
  ctx: OpContext,
): Promise<DiskRecord> {
  using _claim = host.claim(instance.uuid);
  const record = diskOf(instance, name);
  const image = await imageOf(host, record, ctx);
  // Refused before the journal: what cannot be settled would stay there.
  if ((await image.standsOn(ctx)) === undefined && !record.backing) return record;
  const data = { disk: record.uuid };
  const operation = host.journal.begin("flatten", instance.uuid, ctx, data);
  return await changeBase(host, { operation, record, image }, () => image.flatten(ctx), ctx);
}

/** A change of what a disk stands on. */
export interface BaseChange {
  readonly operation: Operation;
  readonly record: DiskRecord;
  readonly image: Image;
  /** Absent: it shall stand alone. */
  readonly to?: BackingSource;
}

/** Carries out a change that is in the journal, and records what came of it, also when it failed. */
export async function changeBase(
  host: WritableHost,
  change: BaseChange,
  act: () => Promise<void>,
  ctx: OpContext,
): Promise<DiskRecord> {
  // What was done is recorded, and what was not is put right, also when nobody waits for it any more.
  const steady = { ...ctx, signal: new AbortController().signal };
  try {
    await act();
  } catch (error) {
    // What cannot be settled now stays in the journal for recovery; the first error is the one to tell.
    await settleBase(host, change, steady).catch((second: unknown) =>
      ctx.log.error(
        { disk: change.record.uuid, err: second },
        "could not settle a failed change of the base",
      ),
    );
    throw error;
  }
  return await settleBase(host, change, steady);
}

/** The inventory takes what the disk's own header says: it stands alone, or on the new base, or as before. */
async function settleBase(
  host: WritableHost,
  { operation, record, image, to }: BaseChange,
  ctx: OpContext,
): Promise<DiskRecord> {
  const { backing: before, ...disk } = record;
  const { backing: _before, ...source } = record.source;
  const file = await image.settleBase(ctx);
  if (file === undefined) {
    operation.end("done", () => host.inventory.setSource(record.uuid, source));
    return { ...disk, source };
  }
  if (file === to?.file) {
    const on = { ...source, backing: to };
    operation.end("done", () => host.inventory.setSource(record.uuid, on));
    return { ...disk, backing: to, source: on };
  }
  // A clone is one as before: what of, its storage says.
  if (file === before?.file || !image.recordsBase) {
    operation.end("undone");
    return record;
  }
  throw new LuksmithError(
    "DiskReplaced",
    `${image.label} stands on ${file} where ${before?.file ?? "no base"} was recorded: somebody else has rebased it; put it back with "qemu-img rebase -u"`,
    { details: { base: file, recorded: before?.file } },
  );
}

/** Settles a flatten or a rebase that a crash cut short. */
export async function settleOpenBase(host: WritableHost, open: OpenOperation, ctx: OpContext): Promise<void> {
  // Written above or by `rebaseDisk`, and by nobody else.
  const { disk, to } = open.data as unknown as { disk: string; to?: BackingSource };
  const record = host.inventory.instance(open.subject)?.disks.find(({ uuid }) => uuid === disk);
  const operation = host.journal.resume(open);
  if (!record) {
    operation.end("undone");
    return;
  }
  const image = await imageOf(host, record, ctx);
  await settleBase(host, { operation, record, image, ...(to ? { to } : {}) }, ctx);
}
