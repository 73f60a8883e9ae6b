import { isLuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { WritableHost } from "../host.ts";
import { imageOf } from "../operations/resize-disk.ts";
import { findInstance } from "../operations/verify-disks.ts";

export interface OpenedDisk {
  readonly instance: string;
  readonly name: string;
  readonly path: string;
  /** Undefined: it is open. */
  readonly error: string | undefined;
}

/**
 * Opens the mappings of plain disks, which a reboot of the host has closed. Idempotent; one that fails does not keep the others.
 * @param uuid of one instance; undefined: all
 */
export async function openLegacy(
  host: WritableHost,
  uuid: string | undefined,
  ctx: OpContext,
): Promise<readonly OpenedDisk[]> {
  const opened: OpenedDisk[] = [];
  const instances = uuid === undefined ? host.inventory.instances() : [findInstance(host, uuid)];
  for (const instance of instances) {
    const plain = instance.disks.filter(({ encryption }) => encryption?.format === "plain");
    if (plain.length === 0) continue;
    using _claim = host.claim(instance.uuid);
    for (const disk of plain) {
      const error = await open(async () => (await imageOf(host, disk, ctx)).activate(ctx));
      const { name, source } = disk;
      const path = source.type === "block" ? source.dev : disk.path;
      opened.push({ instance: instance.uuid, name, path, error });
    }
  }
  return opened;
}

async function open(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!isLuksmithError(error) || error.category === "cancelled") throw error;
    return error.message;
  }
}
