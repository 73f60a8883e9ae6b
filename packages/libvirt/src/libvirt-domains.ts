import type { OpContext } from "@luksmith/core";

/** The life of guests. Each method names a guest by its uuid, and throws `DomainNotFound` when libvirt has none. */
export interface LibvirtDomains {
  list(ctx: OpContext): Promise<readonly Domain[]>;
  find(uuid: string, ctx: OpContext): Promise<Domain | undefined>;
  findByName(name: string, ctx: OpContext): Promise<Domain | undefined>;
  /**
   * Makes it known, or changes it. Checked against libvirt's schema.
   * @throws `DomainXmlInvalid`, `DomainExists`
   */
  define(xml: string, ctx: OpContext): Promise<Domain>;
  /**
   * Starts a defined guest; returns when QEMU has opened its disks.
   * @throws `GuestSecretMissing`, `GuestDiskNotOpened`, `DiskInUse`, `DiskNotFound`, `DomainStateConflict`, `DomainBusy`
   * @throws `LibvirtTimedOut`: it may still start, or hang at storage that is away; `destroy` ends that
   */
  start(uuid: string, ctx: OpContext, options?: StartOptions): Promise<void>;
  /** Asks the guest to shut down, which it may not do; returns at once. */
  shutdown(uuid: string, ctx: OpContext): Promise<void>;
  /** Asks the guest to reboot; returns at once. */
  reboot(uuid: string, ctx: OpContext): Promise<void>;
  /** Stops the guest's processors. */
  suspend(uuid: string, ctx: OpContext): Promise<void>;
  resume(uuid: string, ctx: OpContext): Promise<void>;
  /** Ends it as if the power failed, also while it is being started. Whether it ran. */
  destroy(uuid: string, ctx: OpContext): Promise<boolean>;
  /** Forgets it, with its saved memory, NVRAM and metadata of snapshots. Whether it was known. A running guest goes on. */
  undefine(uuid: string, ctx: OpContext): Promise<boolean>;
  state(uuid: string, ctx: OpContext): Promise<DomainState>;
  /**
   * Returns when libvirt has answered to all calls on this guest whose callers have given up. What changes a guest waits for
   * them by itself.
   * @throws `LibvirtTimedOut`
   */
  settle(uuid: string, ctx: OpContext): Promise<void>;
  /** Whether it is off, and known to be so because it went to another daemon. A restart of this one forgets why. */
  leftByMigration(uuid: string, ctx: OpContext): Promise<boolean>;
  /**
   * What libvirt has, without secrets: of the running guest, what the next start will take, or of the running guest as any
   * other daemon understands it.
   */
  xml(uuid: string, ctx: OpContext, which?: "current" | "persistent" | "migratable"): Promise<string>;
  /** Calls `listener` from now on; one for each connection. */
  onChange(listener: (event: DomainEvent) => void, ctx: OpContext): Promise<void>;
}

export interface Domain {
  readonly uuid: string;
  readonly name: string;
  readonly active: boolean;
}

export interface StartOptions {
  /** Default 60 s. */
  readonly timeoutMs?: number;
  /** With its processors stopped, until `resume`. */
  readonly paused?: boolean;
}

export type DomainState =
  | "no-state"
  | "running"
  | "blocked"
  | "paused"
  | "in-shutdown"
  | "off"
  | "crashed"
  | "pm-suspended";

export interface DomainEvent {
  readonly uuid: string;
  readonly name: string;
  readonly kind:
    | "defined"
    | "undefined"
    | "started"
    | "suspended"
    | "resumed"
    | "stopped"
    | "shutdown"
    | "pm-suspended"
    | "crashed"
    | "unknown";
}
