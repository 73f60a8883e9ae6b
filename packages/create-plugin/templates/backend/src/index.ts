import {
  definePlugin,
  directoryTrouble,
  type ImageBackend,
  ImageBackends,
  ImageServicesToken,
} from "@luksmith/core";
import { AcmeImage, CAPABILITIES } from "./acme-image.ts";
import { AcmeConfig } from "./config.ts";

/** `[libvirt] images_type = acme`. */
export default definePlugin({
  name: "backend-acme",
  apiVersion: 1,
  config: AcmeConfig,
  register(registrar, config) {
    const { directory } = config.sections["luksmith:backend-acme"];
    registrar.contribute(ImageBackends, (resolver): ImageBackend => ({
      name: "acme",
      capabilities: CAPABILITIES,
      image: (disk) => new AcmeImage(directory, disk, resolver.get(ImageServicesToken)),
      ready: (ctx) => directoryTrouble(directory, ctx),
    }));
  },
});
