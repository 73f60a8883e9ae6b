import type { HttpOptions } from "../http/http-options.ts";
import { ServiceClient } from "../http/service-client.ts";

/** Keystone's own calls: asking again is harmless there, so that all are repeatable. */
export function keystoneClient(authUrl: string, http: HttpOptions): ServiceClient {
  return new ServiceClient({
    service: "Keystone",
    endpoint: () => Promise.resolve(authUrl),
    http,
    maxConcurrent: 4,
    retries: { attempts: 3, baseMs: 200, maxMs: 3000 },
    breaker: { failures: 6, openMs: 5000 },
  });
}

/**
 * The base of Keystone's version 3 under whatever `auth_url` says: with `/v3`, without, or with the `/v2.0` of old.
 * No discovery: it would cost a request for each process, to learn what has been so for ten years.
 */
export function versionedAuthUrl(authUrl: string): string {
  const base = authUrl.trim().replace(/\/+$/, "");
  return base.endsWith("/v3") ? base : `${base.replace(/\/v2\.0$/, "")}/v3`;
}
