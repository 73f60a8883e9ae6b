import type { OpContext } from "@luksmith/core";
import type { LibvirtDisks } from "./libvirt-disks.ts";
import type { LibvirtDomains } from "./libvirt-domains.ts";
import type { LibvirtMigrations } from "./libvirt-migrations.ts";
import type { LibvirtSecrets } from "./libvirt-secrets.ts";

/**
 * A connection to a host's libvirt. Every call may also end with `LibvirtUnavailable` (retryable, but whether the call
 * was carried out is not known), `LibvirtTimedOut`, `LibvirtAccessDenied`, `LibvirtProtocolError` and `Cancelled`. After
 * `LibvirtUnavailable` the connection is of no more use: make another one. The maker disposes it.
 */
export interface Libvirt extends Disposable {
  readonly secrets: LibvirtSecrets;
  readonly domains: LibvirtDomains;
  readonly disks: LibvirtDisks;
  readonly migrations: LibvirtMigrations;
  /** Fulfilled when the connection is over; with the reason, unless it was disposed. */
  readonly closed: Promise<Error | undefined>;
  version(ctx: OpContext): Promise<LibvirtVersion>;
  /** What the host can do, as libvirt's `<capabilities>`. */
  capabilities(ctx: OpContext): Promise<string>;
}

/** Each as `9.0.0`. */
export interface LibvirtVersion {
  readonly libvirt: string;
  readonly qemu: string;
}
