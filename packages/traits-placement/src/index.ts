import { definePlugin, TraitReporters } from "@luksmith/core";
import { PlacementConfig } from "./config.ts";
import { lazyReporter } from "./lazy-reporter.ts";

/** Reports what this host can do to Placement, as nova-compute does. */
export default definePlugin<PlacementConfig>({
  name: "traits-placement",
  apiVersion: 1,
  config: PlacementConfig,
  register(registrar, config) {
    registrar.contribute(TraitReporters, () => lazyReporter(config));
  },
});
