import { LuksmithError } from "../../errors/luksmith-error.ts";
import { deviceOf, runningUnder } from "../guests/find-guest.ts";
import type { Image } from "../../image/image.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { OpenOperation, Operation } from "../../journal/journal.ts";
import type { WritableHost } from "../host.ts";

const SECTOR = 512n;

/** @throws `DiskNotFound` listing the names there are */
export function diskOf(instance: InstanceRecord, name: string): DiskRecord {
  const disk = instance.disks.find((each) => each.name === name);
  if (disk) return disk;
  const names = instance.disks.map((each) => each.name).join(", ");
  throw new LuksmithError(
    "DiskNotFound",
    `instance ${instance.uuid} has no disk ${name}; it has ${names || "none"}`,
    {
      details: { instance: instance.uuid, disk: name },
    },
  );
}

/**
 * Grows a disk; the guest sees exactly `virtualSize` bytes, at once if Luksmith runs it. The same size again is success.
 * @throws `CannotShrink`, `DiskInUse`, `DiskReplaced`, `DiskNotFound`, `InvalidRequest`
 */
export async function resizeDisk(
  host: WritableHost,
  instance: InstanceRecord,
  name: string,
  virtualSize: bigint,
  ctx: OpContext,
): Promise<DiskRecord> {
  using _claim = host.claim(instance.uuid);
  const record = diskOf(instance, name);
  if (virtualSize % SECTOR !== 0n || virtualSize <= 0n || virtualSize > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new LuksmithError(
      "InvalidRequest",
      `${virtualSize} bytes is not a disk size; give a multiple of 512 up to 8 PiB`,
    );
  }
  const image = await imageOf(host, record, ctx);
  const data = { disk: record.uuid, to: String(virtualSize) };
  const hypervisor = await runningUnder(host, instance.uuid, ctx);
  if (hypervisor) image.requireGrowsRunning();
  const operation = host.journal.begin("resize", instance.uuid, ctx, data);
  try {
    if (hypervisor) {
      await image.growBelow(virtualSize, ctx);
      await hypervisor.grow(instance.uuid, deviceOf(instance, record.name), virtualSize, ctx);
    } else await image.resize(virtualSize, ctx);
  } catch (error) {
    // What cannot be settled now stays in the journal for recovery; the first error is the one to tell.
    await settle(host, operation, record, virtualSize, ctx).catch((second: unknown) =>
      ctx.log.error({ disk: record.uuid, err: second }, "could not settle a failed resize"),
    );
    throw error;
  }
  await settle(host, operation, record, virtualSize, ctx);
  return { ...record, virtualSize };
}

/** The inventory takes the size that the storage really has: the new one, or the old one where nothing happened. */
export async function settle(
  host: WritableHost,
  operation: Operation,
  record: DiskRecord,
  wanted: bigint,
  ctx: OpContext,
): Promise<void> {
  const services = await host.services();
  const actual = await services.backend(record.backend).image(record).actualSize(ctx);
  if (actual === wanted) operation.end("done", () => host.inventory.setVirtualSize(record.uuid, wanted));
  else operation.end("undone");
}

/** Settles a resize that a crash cut short. */
export async function settleOpenResize(
  host: WritableHost,
  open: OpenOperation,
  ctx: OpContext,
): Promise<void> {
  const { disk, to } = open.data as { disk: string; to: string };
  const record = host.inventory.instance(open.subject)?.disks.find(({ uuid }) => uuid === disk);
  const operation = host.journal.resume(open);
  if (record) await settle(host, operation, record, BigInt(to), ctx);
  else operation.end("undone");
}

/** @throws `DiskReplaced`, `DiskNotFound`: what stands under its name is another, or nothing */
export async function imageOf(host: WritableHost, record: DiskRecord, ctx: OpContext): Promise<Image> {
  const services = await host.services();
  const image = services.backend(record.backend).image(record);
  if (await image.requireOurs(record.identity, ctx)) return image;
  throw missing(record);
}

function missing(record: DiskRecord): LuksmithError {
  return new LuksmithError(
    "DiskNotFound",
    `${record.path} (${record.name}) is not there; restore it, or delete the instance`,
    {
      details: { path: record.path, disk: record.name },
    },
  );
}
