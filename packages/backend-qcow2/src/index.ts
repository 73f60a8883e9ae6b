import { definePlugin, HealthChecks, ImageBackends, ImageServicesToken } from "@luksmith/core";
import { Qcow2Config } from "./config.ts";
import { overlayCheck } from "./overlay-check.ts";
import { qcow2Backend } from "./qcow2-backend.ts";

export { qcow2Backend } from "./qcow2-backend.ts";

/** `[libvirt] images_type = qcow2` (also `default` with `use_cow_images = True`). */
export default definePlugin({
  name: "backend-qcow2",
  apiVersion: 1,
  config: Qcow2Config,
  register(registrar, config) {
    registrar.contribute(ImageBackends, (resolver) =>
      qcow2Backend(config.sections.DEFAULT.instances_path, () => resolver.get(ImageServicesToken)),
    );
    const { instances_path: instancesPath } = config.sections.DEFAULT;
    registrar.contribute(HealthChecks, () => [overlayCheck(instancesPath)]);
  },
});
