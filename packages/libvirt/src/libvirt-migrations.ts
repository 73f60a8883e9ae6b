import type { OpContext } from "@luksmith/core";

/** Running guests, from this daemon to another one. Each method throws `DomainNotFound` when libvirt has no such guest. */
export interface LibvirtMigrations {
  /**
   * Moves a running guest to another daemon, to which libvirt connects by itself; returns when it runs there and no longer
   * here. Disks in `copyDisks` are copied into targets that must exist there, the others must be shared.
   * @throws `PlaintextCopyRefused`: others could read what is sent; nothing was begun
   * @throws `LibvirtTimedOut`, `Cancelled`, `LibvirtUnavailable`: libvirt goes on; `abort` ends that
   */
  run(uuid: string, migration: Migration, ctx: OpContext): Promise<void>;
  /** How far it is; undefined while none goes on. */
  job(uuid: string, ctx: OpContext): Promise<MigrationJob | undefined>;
  /** Asks libvirt to give it up: the guest then goes on here, unless it is there already. Idempotent. */
  abort(uuid: string, ctx: OpContext): Promise<void>;
}

/** The way to another daemon. */
export interface MigrationWay {
  /** As the source's daemon reaches it. */
  readonly destinationUri: string;
  /** Where QEMU connects to; default: libvirt's choice. `unix:///path` or `tcp://host:port`. */
  readonly migrateUri?: string;
  /** Where the disks' content goes; `unix:///path` or `tcp://host:port`. */
  readonly disksUri?: string;
  /** Between both QEMUs; needs certificates on both hosts. */
  readonly tls?: boolean;
}

export interface Migration extends MigrationWay {
  /** Target device names (`vda`) of the disks to copy. */
  readonly copyDisks?: readonly string[];
  /** The guest's definition over there, where paths differ. */
  readonly destinationXml?: string;
  /** What stays here, off: default nothing. */
  readonly keepDefinition?: boolean;
  /** Default 1 hour. */
  readonly timeoutMs?: number;
}

/** Bytes; disks and memory together. */
export interface MigrationJob {
  readonly done: bigint;
  readonly total: bigint;
}
