import type { GeneratedPassphrase } from "@luksmith/luks";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { ImageSource } from "../../image/disk-content.ts";
import type { ImageBackend } from "../../image/image-backend.ts";
import type { ImageDisk } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { Operation } from "../../journal/journal.ts";
import { journaledRollback } from "./undo.ts";

/**
 * Makes one disk, whose undo is in the journal before it exists.
 * @param passphrase stays the caller's; undefined for a plain disk
 */
export async function makeDisk(
  backend: ImageBackend,
  disk: ImageDisk,
  source: ImageSource,
  passphrase: GeneratedPassphrase | undefined,
  operation: Operation,
  ctx: OpContext,
): Promise<DiskRecord> {
  const image = backend.image(disk);
  const rollback = journaledRollback(operation, backend.name, image);
  await image.create(passphrase ? { source, passphrase } : { source }, rollback, ctx);
  const identity = await image.identify(ctx);
  if (!identity) throw new LuksmithError("DiskNotProven", `${image.label} vanished right after it was made`);
  const createdAt = new Date().toISOString();
  return { ...disk, backend: backend.name, path: image.path, source: image.source(), identity, createdAt };
}
