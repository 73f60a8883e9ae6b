import { ServiceClient } from "@luksmith/keystone";
import { GlanceApi } from "../src/glance-api.ts";
import { GlanceImageService, type GlanceImageServiceOptions } from "../src/glance-image-service.ts";

export interface ServiceOptions extends Partial<Omit<GlanceImageServiceOptions, "directory">> {
  readonly retries?: number;
  readonly timeoutMs?: number;
}

/** An image service before these servers. */
export function glanceService(
  servers: readonly string[],
  directory: string,
  { retries = 3, timeoutMs = 20_000, ...options }: ServiceOptions = {},
): GlanceImageService {
  const clients = servers.map(
    (url) =>
      new ServiceClient({
        service: "Glance",
        endpoint: () => Promise.resolve(url),
        http: { connectTimeoutMs: 10_000, timeoutMs },
        maxConcurrent: 64,
        retries: { attempts: 1, baseMs: 1, maxMs: 1 },
        breaker: { failures: 1000, openMs: 1 },
      }),
  );
  const all = { directory, maxDownloads: 4, allowMissingHash: false, ...options };
  return new GlanceImageService(new GlanceApi(clients, retries), all);
}
