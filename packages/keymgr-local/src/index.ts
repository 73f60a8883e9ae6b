import { definePlugin, KeyManagers } from "@luksmith/core";
import { LocalKeyManagerConfig } from "./config.ts";
import { LocalKeyManager } from "./local-key-manager.ts";

export { LocalKeyManager, type LocalKeyManagerOptions } from "./local-key-manager.ts";

/** The embedded key manager: needs no server, keeps wrapped passphrases in the host's state directory. */
export default definePlugin<LocalKeyManagerConfig>({
  name: "keymgr-local",
  apiVersion: 1,
  config: LocalKeyManagerConfig,
  register(registrar, config) {
    registrar.provide(
      KeyManagers,
      () => new LocalKeyManager({ ...config, credentialsDirectory: process.env["CREDENTIALS_DIRECTORY"] }),
    );
  },
});
