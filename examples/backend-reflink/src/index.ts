import {
  definePlugin,
  directoryTrouble,
  type ImageBackend,
  ImageBackends,
  type ImageServices,
  ImageServicesToken,
} from "@luksmith/core";
import { cloneTrouble } from "./clone.ts";
import { ReflinkConfig, type ReflinkOptions } from "./config.ts";
import { CAPABILITIES, ReflinkImage } from "./reflink-image.ts";

export { dropCheckpoint, listCheckpoints, rollBack, takeCheckpoint } from "./checkpoints.ts";
export type { Checkpoint } from "./checkpoints.ts";
export type { DiskPlace } from "./disk-place.ts";

export function reflinkBackend(options: ReflinkOptions, services: () => ImageServices): ImageBackend {
  return {
    name: "reflink",
    capabilities: CAPABILITIES,
    image: (disk) => new ReflinkImage(options, disk, services()),
    ready: async (ctx) => {
      const trouble = await directoryTrouble(options.directory, ctx);
      if (trouble !== undefined || options.reflink === "preferred") return trouble;
      return await cloneTrouble(options.directory);
    },
  };
}

/** `[libvirt] images_type = reflink`. */
export default definePlugin({
  name: "backend-reflink",
  apiVersion: 1,
  config: ReflinkConfig,
  register(registrar, config) {
    const options = config.sections["luksmith:backend-reflink"];
    registrar.contribute(ImageBackends, (resolver) =>
      reflinkBackend(options, () => resolver.get(ImageServicesToken)),
    );
  },
});
