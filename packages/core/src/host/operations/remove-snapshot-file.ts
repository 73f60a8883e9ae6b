import { openFileHeader } from "../../file/file-header-store.ts";
import { fileIdentity } from "../../file/file-identity.ts";
import { removeName } from "../../file/new-file.ts";
import { eraseHeader } from "../../image/erase-header.ts";
import type { DiskIdentity } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { Json } from "../../image/rollback.ts";
import { sameIdentity } from "../../image/same-identity.ts";

/** Sectors: where a snapshot in the raw format has its payload. */
const PAYLOAD_OFFSET = 4096;

/** The step `remove-file`; idempotent. */
export async function removeSnapshotFile(
  data: { readonly [key: string]: Json },
  ctx: OpContext,
): Promise<void> {
  const path = String(data["path"]);
  const found = await fileIdentity(path);
  if (!found || !sameIdentity(found, data["identity"] as DiskIdentity)) return;
  if (data["erase"] === true) {
    await using store = await openFileHeader(path);
    await eraseHeader(store, PAYLOAD_OFFSET, ctx);
  }
  await removeName(path);
}
