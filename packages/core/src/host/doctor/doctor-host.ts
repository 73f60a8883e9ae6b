import type { HostConfig } from "../../config/host-config.ts";
import type { ReadableHost, WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import type { SystemView } from "./system-view.ts";

/** What the checks of core look at. Each part may be what is broken, so each is got when it is needed. */
export interface DoctorHost {
  readonly config: HostConfig;
  readonly system: SystemView;
  /** For looking. @throws what is wrong with the state directory or its database */
  host(): Promise<ReadableHost>;
  /** The plugins. @throws what is wrong with them */
  services(): Promise<HostServices>;
  /**
   * For changing, while `use` runs; nothing was left unfinished before. Undefined: another process works on this host.
   */
  change<T>(use: (host: WritableHost) => Promise<T>): Promise<T | undefined>;
  /** Whether this is the daemon. */
  readonly isDaemon: boolean;
}
