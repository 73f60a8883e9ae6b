import { hostname } from "node:os";
import { LuksmithError } from "@luksmith/core";
import { endpointFrom, sectionAdapter, sectionHttp, sectionSession, ServiceClient } from "@luksmith/keystone";
import type { PlacementConfig } from "./config.ts";
import { PlacementApi } from "./placement-api.ts";
import { PlacementReporter } from "./placement-reporter.ts";

const SERVICE = "Placement";

/** Reads Nova's `[placement]`; asks nobody yet. @throws `ConfigInvalid` */
export function openReporter(config: PlacementConfig): PlacementReporter {
  const { settings, timeoutMs } = config;
  const session = sectionSession(settings, "placement");
  if (!session) {
    throw new LuksmithError(
      "ConfigInvalid",
      "[placement] has no auth_url; give it a service account's, as nova-compute's has",
    );
  }
  const adapter = sectionAdapter(settings, "placement", { serviceTypes: ["placement"] });
  const { endpointOverride: override } = adapter;
  const client = new ServiceClient({
    service: SERVICE,
    endpoint: endpointFrom({ ...adapter, service: SERVICE, session, override }),
    http: sectionHttp(settings, "placement"),
    maxConcurrent: 4,
    retries: { attempts: 3, baseMs: 200, maxMs: 5000 },
    breaker: { failures: 10, openMs: 10_000 },
  });
  const host = config.host ?? hostname();
  return new PlacementReporter({
    api: new PlacementApi(client, session),
    provider: config.resourceProvider ?? host,
    host,
    timeoutMs,
    close: () => {
      client[Symbol.dispose]();
      session[Symbol.dispose]();
    },
  });
}
