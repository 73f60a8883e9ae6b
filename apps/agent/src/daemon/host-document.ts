import type { DaemonParts } from "./parts.ts";
import type { HostDocument } from "./schemas/index.ts";

/** Who this daemon is, so that a command knows whether it is the right one. */
export async function hostDocument({ host, config, version, startedAt }: DaemonParts): Promise<HostDocument> {
  const services = await host.services();
  const keys = services.hasKeyManager ? services.keys : undefined;
  return {
    version,
    state_path: config.luksmith.state_path,
    pid: process.pid,
    started_at: startedAt.toISOString(),
    // A key manager with a scope, and a service with images of its own, ask who it is that wants them.
    asks_for_user: keys?.scope !== undefined || services.images.downloads !== undefined,
    backends: services.backends.map(({ name }) => name),
    key_manager: keys?.name ?? null,
  };
}
