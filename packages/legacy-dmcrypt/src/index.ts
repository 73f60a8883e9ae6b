import { BackendExtensions, definePlugin, ImageServicesToken } from "@luksmith/core";
import { LegacyConfig } from "./config.ts";
import { dmcryptExtension } from "./dmcrypt-extension.ts";

export { dmcryptExtension } from "./dmcrypt-extension.ts";

/** The format `plain` for `[libvirt] images_type = lvm`: deprecated, see "luksmith legacy". */
export default definePlugin({
  name: "legacy-dmcrypt",
  apiVersion: 1,
  config: LegacyConfig,
  register(registrar, config) {
    registrar.contribute(BackendExtensions, (resolver) =>
      dmcryptExtension(config, () => resolver.get(ImageServicesToken)),
    );
  },
});
