import type { HostConfig } from "../config/host-config.ts";
import type { OpContext } from "../image/op-context.ts";
import type { GuestDisks } from "./hypervisor.ts";

/** How a running guest gets to another host. URIs are the hypervisor's own. */
export interface MigrationRoute {
  /** The other host's hypervisor, as this one's reaches it. */
  readonly to: string;
  /** Where the guest's memory goes. */
  readonly memory: string | undefined;
  /** Where the decrypted content of its disks goes. */
  readonly disks: string | undefined;
  /** Both are encrypted between the hosts. */
  readonly tls: boolean;
}

/** A guest on its way. */
export interface Journey {
  /** With its disks as they are over there: each exists, has the guest's size, and a key of the same id. */
  readonly arrival: GuestDisks;
  readonly config: HostConfig;
  readonly route: MigrationRoute;
}

/**
 * Where a guest is after it was to be sent, by what this host's hypervisor knows for certain. `here`: it runs here, and
 * nothing sends it; `gone`: it runs on the other host; `unknown`: it does not run here, and nothing proves that it went.
 */
export type GuestFate = "here" | "gone" | "unknown";

/** Sends running guests, with their disks, to another host's hypervisor. Part of a `Hypervisor` that can. */
export interface LiveMigration {
  /**
   * Refuses a route on which others could read what is sent. Changes nothing.
   * @throws `PlaintextCopyRefused`, `InvalidRequest`
   */
  check(route: MigrationRoute): Promise<void>;
  /**
   * Returns when the guest runs over there and no longer here; it stays defined here. Whatever it throws, `fate` says what
   * has become of the guest. Cancelled, it ends what it began before it throws.
   * @throws as `check`; `Cancelled`, `DomainStateConflict`, what either hypervisor says
   */
  send(uuid: string, journey: Journey, ctx: OpContext): Promise<void>;
  /** Ends a sending that `send` began, in whatever process, unless the guest is there already. Idempotent. */
  stop(uuid: string, ctx: OpContext): Promise<void>;
  fate(uuid: string, ctx: OpContext): Promise<GuestFate>;
}
