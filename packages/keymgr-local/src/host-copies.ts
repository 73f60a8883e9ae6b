import { definePlugin, HostCopiesToken } from "@luksmith/core";
import { LocalKeyManagerConfig } from "./config.ts";
import { LocalHostCopies } from "./local-host-copies.ts";

export { LocalHostCopies } from "./local-host-copies.ts";

/** Keeps sealed copies of another key manager's passphrases, for `[luksmith] secret_security = host`. */
export default definePlugin<LocalKeyManagerConfig>({
  name: "host-copies-local",
  apiVersion: 1,
  config: LocalKeyManagerConfig,
  register(registrar, config) {
    registrar.provide(
      HostCopiesToken,
      () => new LocalHostCopies({ ...config, credentialsDirectory: process.env["CREDENTIALS_DIRECTORY"] }),
    );
  },
});
