import { openFileHeader } from "../../file/file-header-store.ts";
import { fileIdentity } from "../../file/file-identity.ts";
import { removeName } from "../../file/new-file.ts";
import { eraseHeader } from "../../image/erase-header.ts";
import type { DiskIdentity } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import { sameIdentity } from "../../image/same-identity.ts";

/** Sectors: where a snapshot in the raw format has its payload. */
const PAYLOAD_OFFSET = 4096;

/** The step `remove-file`; idempotent; leaves a file alone that is not the recorded one. */
export async function removeSnapshotFile(
  file: { readonly path: string; readonly identity: DiskIdentity; readonly erase: boolean },
  ctx: OpContext,
): Promise<void> {
  const found = await fileIdentity(file.path);
  if (!found || !sameIdentity(found, file.identity)) return;
  if (file.erase) {
    await using store = await openFileHeader(file.path, file.identity);
    await eraseHeader(store, PAYLOAD_OFFSET, ctx);
  }
  await removeName(file.path);
}
