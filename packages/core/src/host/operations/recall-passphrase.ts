import { GeneratedPassphrase } from "@luksmith/luks";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { hasHeader, type ImageDisk } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { KeyManager } from "../../key-manager/key-manager.ts";

/**
 * The passphrase that Luksmith made for a disk, for a container that replaces the disk's or holds a copy of it. The caller
 * disposes it. Undefined for a plain disk.
 * @throws `UnsupportedOperation`: dm-crypt's plain mode; `DiskNotProven`: the key manager has something else under its id; and what keeps it from answering
 */
export async function recallPassphrase(
  keys: KeyManager,
  disk: Pick<ImageDisk, "name" | "instanceUuid" | "encryption">,
  ctx: OpContext,
): Promise<GeneratedPassphrase | undefined> {
  const id = disk.encryption?.secretId;
  if (!id) return undefined;
  if (!hasHeader(disk)) {
    throw new LuksmithError(
      "UnsupportedOperation",
      `${disk.name} of instance ${disk.instanceUuid} is encrypted as ${disk.encryption?.format}, and cannot be made again; "luksmith legacy migrate ${disk.instanceUuid}" first`,
      { details: { disk: disk.name } },
    );
  }
  using stored = await keys.get({ id }, ctx);
  try {
    return GeneratedPassphrase.recall(stored);
  } catch (error) {
    throw new LuksmithError(
      "DiskNotProven",
      `secret ${id} of ${disk.name} of instance ${disk.instanceUuid} is not a passphrase that Luksmith made: somebody has put another one in its place; nothing was changed`,
      { cause: error, details: { secretId: id, disk: disk.name } },
    );
  }
}
