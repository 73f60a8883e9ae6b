import {
  endpointFrom,
  type HttpOptions,
  type KeystoneSession,
  sectionHttp,
  sectionSession,
  ServiceClient,
  type ServiceClientOptions,
} from "@luksmith/keystone";
import { BarbicanKeyManager } from "./barbican-key-manager.ts";
import type { BarbicanConfig } from "./config.ts";

/** How patient the key manager is, and how much it asks for at once; not for configuration. */
export interface Patience extends Pick<ServiceClientOptions, "retries" | "breaker"> {
  readonly pageSize?: number;
}

const PATIENCE: Patience = {
  retries: { attempts: 4, baseMs: 250, maxMs: 4000 },
  breaker: { failures: 5, openMs: 10_000 },
};

/**
 * Puts the key manager together from its configuration. Asks nobody yet.
 * @throws `ConfigInvalid` for an account that cannot log in as it is written
 */
export function openBarbican(config: BarbicanConfig, patience = PATIENCE): BarbicanKeyManager {
  const { client, keystone, session } = connectBarbican(config, patience);
  return new BarbicanKeyManager({
    client,
    keystone,
    session,
    consumers: config.consumers,
    acl: config.acl,
    pageSize: patience.pageSize,
  });
}

/** The parts, which whoever asks for them closes: the client and the session. @throws as `openBarbican` */
export function connectBarbican(config: BarbicanConfig, patience = PATIENCE) {
  const { settings, account } = config;
  const session = account === undefined ? undefined : sectionSession(settings, account);
  const http = httpOf(config);
  const keystone = { authUrl: config.authUrl ?? session?.authUrl ?? "", http };
  const endpoint = endpointFrom({
    ...(config.endpoint === undefined ? {} : { override: config.endpoint }),
    ...(session === undefined ? {} : { session }),
    ...(config.region === undefined ? {} : { region: config.region }),
    keystone,
    serviceTypes: ["key-manager"],
    interfaces: [config.interface],
    service: "Barbican",
  });
  // Some catalogs have the version in the URL, some have not.
  const base: typeof endpoint = async (as, ctx) => (await endpoint(as, ctx)).replace(/\/v1\/?$/, "");
  const client = new ServiceClient({
    service: "Barbican",
    endpoint: base,
    http,
    ...serviceToken(config, session),
    maxConcurrent: config.maxConcurrent,
    retries: patience.retries,
    breaker: patience.breaker,
  });
  return { client, keystone, session, http, endpoint: base };
}

function httpOf({ settings, verify, caFile, timeoutMs }: BarbicanConfig): HttpOptions {
  const section = sectionHttp(settings, "barbican");
  return {
    ...section,
    insecure: !verify,
    ...(caFile === undefined ? {} : { caFile }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

function serviceToken(config: BarbicanConfig, session: KeystoneSession | undefined) {
  return config.sendServiceToken && session !== undefined ? { serviceToken: session } : {};
}
