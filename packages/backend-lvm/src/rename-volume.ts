import { type DiskIdentity, LuksmithError, type OpContext, sameIdentity } from "@luksmith/core";
import { plain } from "./volume-device.ts";
import type { Volume, VolumeGroup } from "./volume-group.ts";

/**
 * Gives a volume another name, in one commit of LVM's metadata. Idempotent.
 * @throws `DiskExists`, `DiskNotFound`, `DiskReplaced`: `from` is not `identity`
 */
export async function renameVolume(
  group: VolumeGroup,
  { from, to }: { readonly from: string; readonly to: string },
  identity: DiskIdentity,
  { label, path }: { readonly label: string; readonly path: string },
  ctx: OpContext,
): Promise<void> {
  const there = await group.volume(to, ctx);
  if (there && is(there, identity)) return;
  const details = { details: { path, to } };
  if (there) {
    throw new LuksmithError(
      "DiskExists",
      `${to} is in volume group ${group.name} already and was not touched`,
      details,
    );
  }
  const own = await group.volume(from, ctx);
  if (!own)
    throw new LuksmithError("DiskNotFound", `${label} is not there, and cannot get its name`, details);
  if (!is(own, identity)) {
    throw new LuksmithError(
      "DiskReplaced",
      `${label} is not the disk that was made there; nothing was touched`,
      details,
    );
  }
  await group.rename(from, to, label, ctx);
}

function is(volume: Volume, identity: DiskIdentity): boolean {
  return sameIdentity({ lv: plain(volume.uuid) }, identity);
}
