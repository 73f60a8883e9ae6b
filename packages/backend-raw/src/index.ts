import { definePlugin, ImageBackends, ImageServicesToken } from "@luksmith/core";
import { RawConfig } from "./config.ts";
import { rawBackend } from "./raw-backend.ts";

export { rawBackend } from "./raw-backend.ts";

/** `[libvirt] images_type = raw` (also `flat`, and `default` with `use_cow_images = False`). */
export default definePlugin({
  name: "backend-raw",
  apiVersion: 1,
  config: RawConfig,
  register(registrar, config) {
    registrar.contribute(ImageBackends, (resolver) =>
      rawBackend(config.sections.DEFAULT.instances_path, () => resolver.get(ImageServicesToken)),
    );
  },
});
