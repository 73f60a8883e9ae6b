import { join } from "node:path";
import { definePlugin, KeyManagers } from "@luksmith/core";
import { AcmeKeyManager } from "./acme-key-manager.ts";
import { AcmeConfig } from "./config.ts";

export default definePlugin({
  name: "keymgr-acme",
  apiVersion: 1,
  config: AcmeConfig,
  register(registrar, { statePath, sections }) {
    const { directory } = sections["luksmith:keymgr-acme"];
    registrar.provide(KeyManagers, () => new AcmeKeyManager(directory ?? join(statePath, "acme")));
  },
});
