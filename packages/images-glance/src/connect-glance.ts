import {
  endpointFrom,
  KeystoneSession,
  sectionAdapter,
  sectionHttp,
  sectionSession,
  ServiceClient,
  type ServiceClientOptions,
} from "@luksmith/keystone";
import { type GlanceConfig, withoutVersion } from "./config.ts";
import { GlanceApi } from "./glance-api.ts";

/** Requests at once for metadata, besides the downloads. */
const METADATA_REQUESTS = 16;
const BREAKER_OPEN_MS = 30_000;

type Endpoint = ServiceClientOptions["endpoint"];

/**
 * One client for each server; with a catalog, one for all.
 * @throws `ConfigInvalid`
 */
export function connectGlance(config: GlanceConfig): GlanceApi {
  const { settings, apiServers, retries } = config;
  // Only where it is to be sent: the host itself has no business with the images of users.
  const serviceUser = config.sendServiceToken ? sectionSession(settings, "service_user") : undefined;
  const needsCatalog = apiServers.length === 0;
  const host = needsCatalog && !serviceUser ? sectionSession(settings, "keystone_authtoken") : undefined;
  const endpoints = needsCatalog
    ? [catalogEndpoint(config, serviceUser ?? host)]
    : apiServers.map(
        (url): Endpoint =>
          () =>
            Promise.resolve(url),
      );
  const clients = endpoints.map(
    (endpoint) =>
      new ServiceClient({
        service: "Glance",
        endpoint,
        http: sectionHttp(settings, "glance"),
        ...(serviceUser ? { serviceToken: serviceUser } : {}),
        maxConcurrent: METADATA_REQUESTS + config.maxDownloads,
        // GlanceApi tries again: at the next server, and from where a download broke off.
        retries: { attempts: 1, baseMs: 1, maxMs: 1 },
        // Opened only by more than one operation's tries, so that errors say what is wrong.
        breaker: { failures: retries + 3, openMs: BREAKER_OPEN_MS },
      }),
  );
  const accounts = [serviceUser, host].filter((session) => session !== undefined);
  return new GlanceApi(clients, retries, accounts);
}

/** `endpoint_override`, else what a catalog says. */
function catalogEndpoint(config: GlanceConfig, session: KeystoneSession | undefined): Endpoint {
  const { endpointOverride, ...adapter } = sectionAdapter(config.settings, "glance", {
    serviceTypes: ["image"],
  });
  return async (as, ctx) => {
    // A user who logged in here brings a catalog; one who came with a token brings none.
    const keystone = session ?? (as instanceof KeystoneSession ? as : undefined);
    const find = endpointFrom({
      ...adapter,
      override: endpointOverride,
      session,
      keystone,
      service: "Glance",
    });
    return withoutVersion(await find(as, ctx));
  };
}
