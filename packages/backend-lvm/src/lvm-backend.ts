import { type ImageBackend, type ImageServices, isLuksmithError, type OpContext } from "@luksmith/core";
import { LVM_CAPABILITIES } from "./capabilities.ts";
import type { LvmSettings } from "./config.ts";
import { LvmImage } from "./lvm-image.ts";
import { VolumeGroup } from "./volume-group.ts";

/** Disks are volumes of one group, `<instance uuid>_<disk name>`, as Nova names them. */
export function lvmBackend(settings: LvmSettings, services: () => ImageServices): ImageBackend {
  return {
    name: "lvm",
    capabilities: LVM_CAPABILITIES,
    image: (disk) => new LvmImage(settings, disk, services()),
    ready: (ctx) => trouble(settings, services(), ctx),
  };
}

/** Looks at the group, and at the pool where disks are thin. */
async function trouble(
  settings: LvmSettings,
  { commands, policy }: ImageServices,
  ctx: OpContext,
): Promise<string | undefined> {
  try {
    await new VolumeGroup(settings, commands, policy.commandTimeoutMs).freeBytes(ctx);
    return undefined;
  } catch (error) {
    if (!isLuksmithError(error) || error.category === "cancelled") throw error;
    return error.message;
  }
}
