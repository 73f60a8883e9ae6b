import type { LuksHeader } from "@luksmith/luks";
import { isLuksmithError } from "../errors/luksmith-error.ts";
import { type DiskIdentity, hasHeader } from "./image-disk.ts";
import { diskReplaced, type NamedDisk } from "./image-refusals.ts";
import { sameIdentity } from "./same-identity.ts";

/**
 * Makes sure that what was found under a disk's name is that disk: by the UUID in its header, or for a plain disk by the
 * identity recorded at its creation.
 * @throws `DiskReplaced`
 */
export async function proveOurs(
  named: NamedDisk,
  found: DiskIdentity,
  recorded: DiskIdentity | undefined,
  readHeader: () => Promise<LuksHeader>,
): Promise<void> {
  const { disk } = named;
  if (!hasHeader(disk)) {
    if (!recorded || sameIdentity(found, recorded)) return;
    throw diskReplaced(named, "its identity is not the recorded one");
  }
  const header = await readHeader().catch((error: unknown) => {
    if (!isLuksmithError(error) || !["integrity", "unsupported"].includes(error.category)) throw error;
    // A damaged header is no reason to keep an operator from removing the very file that was made here.
    if (recorded && sameIdentity(found, recorded)) return undefined;
    throw diskReplaced(named, "it has no readable LUKS header", error);
  });
  if (header) requireUuid(named, header);
}

/** @throws `DiskReplaced` */
export function requireUuid(named: NamedDisk, header: LuksHeader): void {
  if (header.uuid === named.disk.uuid) return;
  throw diskReplaced(named, `its header belongs to ${header.uuid || "nobody"}`);
}
