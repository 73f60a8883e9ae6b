import { definePlugin, KeyManagers } from "@luksmith/core";
import { VaultConfig } from "./config.ts";
import { openVault } from "./open-vault.ts";

export { openVault } from "./open-vault.ts";
export { VaultKeyManager } from "./vault-key-manager.ts";

/** Passphrases in a KV version 2 store of HashiCorp Vault, OpenBao, or what speaks their HTTP API. */
export default definePlugin({
  name: "keymgr-vault",
  apiVersion: 1,
  config: VaultConfig,
  register(registrar, config) {
    const options = config.sections["luksmith:keymgr-vault"];
    registrar.provide(KeyManagers, () => openVault(options));
  },
});
