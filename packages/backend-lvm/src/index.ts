import { definePlugin, ImageBackends, ImageServicesToken } from "@luksmith/core";
import { LvmConfig } from "./config.ts";
import { lvmBackend } from "./lvm-backend.ts";

export { lvmBackend } from "./lvm-backend.ts";
export type { LvmSettings } from "./config.ts";

/** `[libvirt] images_type = lvm`. */
export default definePlugin({
  name: "backend-lvm",
  apiVersion: 1,
  config: LvmConfig,
  register(registrar, settings) {
    registrar.contribute(ImageBackends, (resolver) =>
      lvmBackend(settings, () => resolver.get(ImageServicesToken)),
    );
  },
});
