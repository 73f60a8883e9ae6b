import type { GuestKeeper, HostConfig, TaskQueue, WritableHost } from "@luksmith/core/host";
import type { Metrics } from "./metrics.ts";

/** What all requests share; made and ended by the daemon. */
export interface DaemonParts {
  readonly host: WritableHost;
  readonly config: HostConfig;
  readonly queue: TaskQueue;
  readonly metrics: Metrics;
  readonly guests: GuestKeeper;
  readonly version: string;
  readonly startedAt: Date;
}
