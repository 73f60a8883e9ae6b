import { type ImageBackend, type ImageServices, isLuksmithError, type OpContext } from "@luksmith/core";
import { LVM_CAPABILITIES } from "./capabilities.ts";
import type { LvmSettings } from "./config.ts";
import { listMappings } from "./list-mappings.ts";
import { listVolumes } from "./list-volumes.ts";
import { LvmImage } from "./lvm-image.ts";
import { plain } from "./volume-device.ts";
import { VolumeGroup } from "./volume-group.ts";
import { volumeName } from "./volume-name.ts";

/** Disks are volumes of one group, `<instance uuid>_<disk name>`, as Nova names them. */
export function lvmBackend(settings: LvmSettings, services: () => ImageServices): ImageBackend {
  return {
    name: "lvm",
    capabilities: LVM_CAPABILITIES,
    image: (disk) => new LvmImage(settings, disk, services()),
    survey: async (disks, ctx) => {
      const { uuids, free } = await groupOf(settings, services()).survey(disks.map(volumeName), ctx);
      return { found: uuids.map((uuid) => (uuid === undefined ? undefined : { lv: plain(uuid) })), free };
    },
    list: (ctx) => listVolumes(settings, services(), ctx),
    mappings: () => listMappings(),
    ready: (ctx) => trouble(settings, services(), ctx),
  };
}

function groupOf(settings: LvmSettings, { commands, policy }: ImageServices): VolumeGroup {
  return new VolumeGroup(settings, commands, policy.commandTimeoutMs);
}

/** Looks at the group, and at the pool where disks are thin. */
async function trouble(
  settings: LvmSettings,
  services: ImageServices,
  ctx: OpContext,
): Promise<string | undefined> {
  try {
    await groupOf(settings, services).freeBytes(ctx);
    return undefined;
  } catch (error) {
    if (!isLuksmithError(error) || error.category === "cancelled") throw error;
    return error.message;
  }
}
