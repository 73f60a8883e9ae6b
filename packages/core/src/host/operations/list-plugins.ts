import type { BackendCapabilities } from "../../image/image-backend.ts";
import type { ReadableHost } from "../host.ts";

/** What the configured plugins provide together. */
export interface PluginReport {
  /** As `[luksmith] plugins` names them, in order. */
  readonly plugins: readonly string[];
  readonly backends: readonly (BackendCapabilities & {
    readonly name: string;
    /** New disks are made here. */
    readonly chosen: boolean;
  })[];
  readonly key_manager: string;
  readonly image_service: string;
}

/**
 * Loads the configured plugins and says what they provide; opens none of their stores.
 * @throws `PluginNotLoadable`, `PluginIncompatible`, `PluginConflict`, `ConfigInvalid`
 */
export async function listPlugins(host: ReadableHost): Promise<PluginReport> {
  const services = await host.services();
  const chosen = services.chosenBackend.name;
  return {
    plugins: host.config.luksmith.plugins,
    backends: services.backends.map(({ name, capabilities }) => {
      return { name, chosen: name === chosen, ...capabilities };
    }),
    key_manager: services.keys.name,
    image_service: services.images.name,
  };
}
