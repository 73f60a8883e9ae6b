import { fileIdentity } from "../../file/file-identity.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { BackingSource } from "../../image/image-disk.ts";
import type { MoveDocument } from "./move-document.ts";

type ListedBacking = NonNullable<MoveDocument["disks"][number]["backing"]>;

/**
 * The base that a disk of another host stands on, as this host sees it: storage that both have.
 * @throws `DiskNotFound`
 */
export async function backingHere(
  { file, format, virtual_size: virtualSize, secret_id: secretId }: ListedBacking,
  disk: string,
): Promise<BackingSource> {
  const identity = await fileIdentity(file);
  if (identity) return { file, format, virtualSize, identity, ...(secretId ? { secretId } : {}) };
  throw new LuksmithError(
    "DiskNotFound",
    `${disk} stands on ${file}, which is not on this host; make it available under that name, or recreate the disks from their image`,
    { details: { disk, base: file } },
  );
}
