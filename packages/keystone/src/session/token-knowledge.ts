import { createHash } from "node:crypto";
import type { OpContext, Passphrase, TokenSource } from "@luksmith/core";
import type { HttpOptions } from "../http/http-options.ts";
import { askKeystone } from "./ask-keystone.ts";
import { keystoneClient, versionedAuthUrl } from "./keystone-client.ts";
import { KeystoneSession } from "./keystone-session.ts";
import { SharedCall } from "./shared-call.ts";
import type { TokenInfo } from "./token-info.ts";

/** Where tokens are asked about. */
export interface Keystone {
  readonly authUrl: string;
  readonly http: HttpOptions;
}

/** What is known of one source's token. A digest and not the token: its owner may wipe it. */
interface Known {
  readonly digest: string;
  readonly call: SharedCall<TokenInfo>;
  info: TokenInfo | undefined;
}

const known = new WeakMap<TokenSource, Known>();

/**
 * What is known of any source's token. A KeystoneSession knows its own; for others Keystone is asked once for each
 * token.
 * @throws `TokenRefused`, `IdentityUnavailable`, `AuthenticationFailed`, `Cancelled`
 */
export async function tokenInfo(source: TokenSource, keystone: Keystone, ctx: OpContext): Promise<TokenInfo> {
  if (source instanceof KeystoneSession) return source.info(ctx);
  const token = await source.current(ctx);
  const entry = entryOf(source, token);
  entry.info ??= await entry.call.join(async (own) => {
    using client = keystoneClient(versionedAuthUrl(keystone.authUrl), keystone.http);
    return await askKeystone(client, token, own);
  }, ctx);
  return entry.info;
}

function entryOf(source: TokenSource, token: Passphrase): Known {
  const digest = token.use((bytes) => createHash("sha256").update(bytes).digest("hex"));
  const entry = known.get(source);
  if (entry?.digest === digest) return entry;
  const fresh: Known = { digest, call: new SharedCall(), info: undefined };
  known.set(source, fresh);
  return fresh;
}
