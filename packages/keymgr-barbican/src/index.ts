import { definePlugin, HealthChecks, KeyManagers } from "@luksmith/core";
import { BarbicanConfig } from "./config.ts";
import { barbicanChecks } from "./health-checks.ts";
import { openBarbican } from "./open-barbican.ts";

export { BarbicanKeyManager, type BarbicanKeyManagerOptions } from "./barbican-key-manager.ts";
export type { SecretReaders } from "./secret-setup.ts";

/** Passphrases in Barbican, in the name of the user whose token comes with each request. */
export default definePlugin<BarbicanConfig>({
  name: "keymgr-barbican",
  apiVersion: 1,
  config: BarbicanConfig,
  register(registrar, config) {
    registrar.provide(KeyManagers, () => openBarbican(config));
    registrar.contribute(HealthChecks, () => barbicanChecks(config));
  },
});
