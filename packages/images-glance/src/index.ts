import { Commands, definePlugin, Images } from "@luksmith/core";
import { type GlanceConfig, GlanceConfigSchema } from "./config.ts";
import { connectGlance } from "./connect-glance.ts";
import { GlanceImageService } from "./glance-image-service.ts";

/** Images from Glance, downloaded with the user's own token. */
export default definePlugin<GlanceConfig>({
  name: "images-glance",
  apiVersion: 1,
  config: GlanceConfigSchema,
  register(registrar, config) {
    registrar.provide(
      Images,
      (resolver) =>
        new GlanceImageService(connectGlance(config), config, { commands: resolver.get(Commands) }),
    );
  },
});
