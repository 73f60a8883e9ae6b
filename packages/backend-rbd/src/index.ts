import { definePlugin, ImageBackends, ImageServicesToken } from "@luksmith/core";
import { RbdConfig, rbdOptions } from "./config.ts";
import { rbdBackend } from "./rbd-backend.ts";

export type { RbdLayout, RbdOptions } from "./config.ts";
export { rbdBackend } from "./rbd-backend.ts";

/** `[libvirt] images_type = rbd` */
export default definePlugin({
  name: "backend-rbd",
  apiVersion: 1,
  config: RbdConfig,
  register(registrar, config) {
    registrar.contribute(ImageBackends, (resolver) =>
      rbdBackend(rbdOptions(config), () => resolver.get(ImageServicesToken)),
    );
  },
});
