import { readFileSync } from "node:fs";
import { ioError } from "@luksmith/core";
import type { VaultOptions } from "./config.ts";
import { KvStore } from "./kv-store.ts";
import { type Patience, VaultClient } from "./vault-client.ts";
import { VaultHttp } from "./vault-http.ts";
import { VaultKeyManager } from "./vault-key-manager.ts";
import { AppRoleLogin, FileLogin, type VaultLogin } from "./vault-login.ts";

/** Nothing is sent before the first call. @throws when `ca_file` cannot be read */
export function openVault(options: VaultOptions, patience?: Patience): VaultKeyManager {
  const http = new VaultHttp({
    url: options.url,
    namespace: options.namespace,
    ca: options.ca_file === undefined ? undefined : readCertificates(options.ca_file),
    timeoutMs: options.timeout * 1000,
    maxConcurrent: options.max_concurrent,
  });
  const client = new VaultClient(http, loginOf(options, http), patience);
  return new VaultKeyManager(new KvStore(client, options.mount, options.prefix));
}

function loginOf(
  { token_file, role_id, secret_id_file, auth_mount }: VaultOptions,
  http: VaultHttp,
): VaultLogin {
  if (token_file !== undefined) return new FileLogin(token_file);
  // The schema has seen to it that one or the other is there.
  return new AppRoleLogin(http, {
    roleId: role_id ?? "",
    secretIdFile: secret_id_file ?? "",
    mount: auth_mount,
  });
}

function readCertificates(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw ioError(error, `reading Vault's certificate authority from ${path}`, { path });
  }
}
