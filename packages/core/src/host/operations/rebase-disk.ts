import { basename, dirname } from "node:path";
import { BaseLease, lockPath, makeLockDirectory } from "../../images/cache/base-lease.ts";
import { isBaseName } from "../../images/cache/base-name.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { BaseChoice } from "../../image/overlay-hooks.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { ReadableHost, WritableHost } from "../host.ts";
import { cacheDirectory } from "./cache-list.ts";
import { changeBase } from "./flatten-disk.ts";
import { diskOf, imageOf } from "./resize-disk.ts";

export interface RebaseRequest extends Omit<BaseChoice, "format"> {
  readonly disk: string;
  /** Default: as the present base. */
  readonly format?: "raw" | "qcow2";
}

/**
 * Puts a disk on another file that shows the same bytes as its base: they are compared, unless it is `trusted`. That takes
 * a while and is not in the journal, because it changes nothing; the change itself is one small write.
 * @throws `UnsupportedOperation`, `DiskInUse`, `DiskNotFound`; `DiskReplaced`: the bytes are others. The disk is as it was
 */
export async function rebaseDisk(
  host: WritableHost,
  instance: InstanceRecord,
  { disk: name, ...choice }: RebaseRequest,
  ctx: OpContext,
): Promise<DiskRecord> {
  using _claim = host.claim(instance.uuid);
  const record = diskOf(instance, name);
  const image = await imageOf(host, record, ctx);
  await image.standsOn(ctx);
  using _lease = await keepBase(host, choice.file, ctx);
  const format = choice.format ?? record.backing?.format ?? "raw";
  const to = await image.proveBase({ ...choice, format }, ctx);
  const data = { disk: record.uuid, to: { ...to } };
  const operation = host.journal.begin("rebase", instance.uuid, ctx, data);
  return await changeBase(host, { operation, record, image, to }, () => image.rebase(to, ctx), ctx);
}

/** Nobody stands on it yet, so that the cache would be free to remove it. */
async function keepBase(host: ReadableHost, file: string, ctx: OpContext): Promise<Disposable | undefined> {
  const directory = cacheDirectory(host);
  const name = basename(file);
  if (dirname(file) !== directory || !isBaseName(name)) return undefined;
  makeLockDirectory(directory);
  return await BaseLease.acquire(lockPath(directory, name, "users"), ctx);
}
