import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VaultConfig, type VaultOptions } from "../src/config.ts";
import { openVault } from "../src/open-vault.ts";
import type { VaultKeyManager } from "../src/vault-key-manager.ts";
import { type ServerOptions, VaultServer } from "./vault-server.ts";

/** A server of its own, and key managers that talk to it. */
export interface VaultBench extends AsyncDisposable {
  readonly vault: VaultServer;
  readonly folder: string;
  readonly keyManager: VaultKeyManager;
  /** Another key manager: with the bench's options and these. */
  open(options?: Readonly<Record<string, string | undefined>>): VaultKeyManager;
  /** A file with a secret in it. */
  file(text: string, mode?: number): Promise<string>;
}

/** Quick, so that no test waits for what it has to see fail. */
const PATIENCE = { attempts: 3, delayMs: 5 };

/** The plugin's configuration as a host reads it: through its schema, of texts. */
export function optionsOf(section: Readonly<Record<string, unknown>>): VaultOptions {
  return VaultConfig.parse({ sections: { "luksmith:keymgr-vault": section } }).sections[
    "luksmith:keymgr-vault"
  ];
}

export async function vaultBench(server: ServerOptions = {}): Promise<VaultBench> {
  const vault = await VaultServer.start(server);
  const folder = await mkdtemp(join(tmpdir(), "keymgr-vault-"));
  const file = async (text: string, mode = 0o600): Promise<string> => {
    const path = join(folder, randomUUID());
    await writeFile(path, text, { mode });
    return path;
  };
  const token_file = await file("root-token\n");
  const opened: VaultKeyManager[] = [];
  const open: VaultBench["open"] = (options = {}) => {
    const keyManager = openVault(optionsOf({ url: vault.url, token_file, ...options }), PATIENCE);
    opened.push(keyManager);
    return keyManager;
  };
  return {
    vault,
    folder,
    keyManager: open(),
    open,
    file,
    [Symbol.asyncDispose]: async () => {
      for (const keyManager of opened) await keyManager.close();
      await vault[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
