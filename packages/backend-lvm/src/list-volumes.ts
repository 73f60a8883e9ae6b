import { constants } from "node:fs";
import {
  BEARING_BYTES,
  type Bearing,
  bearingOf,
  type ImageServices,
  type OpContext,
  type StoredDisk,
  throwIfCancelled,
} from "@luksmith/core";
import type { LvmSettings } from "./config.ts";
import { openVolume, plain } from "./volume-device.ts";
import { type DatedVolume, VolumeGroup } from "./volume-group.ts";
import { diskOfVolume } from "./volume-name.ts";
import { taggedDisk } from "./volume-tags.ts";

/** Volumes that are named as disks, or tagged as ours under another name. One that is not active is known by its tag alone. */
export async function* listVolumes(
  settings: LvmSettings,
  { commands, policy }: ImageServices,
  ctx: OpContext,
): AsyncIterable<StoredDisk> {
  const group = new VolumeGroup(settings, commands, policy.commandTimeoutMs);
  const { shared, volumes } = await group.volumes(ctx);
  for (const volume of volumes) {
    throwIfCancelled(ctx);
    const disk = diskOfVolume(volume.name);
    const tagged = taggedDisk(volume.tags);
    if (!disk && tagged === undefined) continue;
    const path = `/dev/${group.name}/${volume.name}`;
    const { uuid, keySlots } = await bearing(group.name, volume, path);
    yield {
      path,
      instanceUuid: disk?.instanceUuid,
      name: disk?.name,
      identity: { lv: plain(volume.uuid) },
      uuid: uuid ?? tagged,
      keySlots,
      changedAt: volume.made.toISOString(),
      shared,
    };
  }
}

/** Only of the very volume, whatever has its name by now. */
async function bearing(group: string, volume: DatedVolume, path: string): Promise<Bearing> {
  const nothing: Bearing = { uuid: undefined, keySlots: undefined };
  if (!volume.active) return nothing;
  try {
    const place = { group, name: volume.name, path, label: path };
    await using device = await openVolume(place, volume.uuid, constants.O_RDONLY);
    const { buffer } = await device.read(Buffer.alloc(BEARING_BYTES), 0, BEARING_BYTES, 0);
    return bearingOf(buffer);
  } catch {
    return nothing;
  }
}
