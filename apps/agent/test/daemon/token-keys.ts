import { definePlugin, KeyManagers, LuksmithError, type OpContext, type SecretRef } from "@luksmith/core";
import type { Passphrase } from "@luksmith/core";
import { LocalKeyManager } from "@luksmith/keymgr-local";
import * as z from "zod";

/** The local key manager, which answers whoever has a token, and nobody else: as Barbican with `secret_security = user`. */
class TokenKeys extends LocalKeyManager {
  override async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    if (await ctx.userToken?.current(ctx)) return await super.get(ref, ctx);
    throw new LuksmithError("TokenMissing", `who wants secret ${ref.id} needs a token`);
  }
}

export default definePlugin<{ readonly statePath: string }>({
  name: "token-keys",
  apiVersion: 1,
  config: z.object({ statePath: z.string() }),
  register(registrar, { statePath }) {
    const keyFile = `${statePath}/key-encryption-key`;
    registrar.provide(
      KeyManagers,
      () => new TokenKeys({ statePath, keyFile, credentialsDirectory: undefined }),
    );
  },
});
