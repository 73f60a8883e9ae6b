import { extensionPoint } from "../di/token.ts";
import type { ImageBackend } from "../image/image-backend.ts";
import type { OpContext } from "../image/op-context.ts";

/** A Placement trait name: https://docs.openstack.org/os-traits. */
export type Trait = `${"COMPUTE" | "HW" | "STORAGE" | "CUSTOM"}_${string}`;

/** What a host says of itself, complete for the traits that it speaks for. */
export interface TraitClaim {
  /** True now; all of them are in `owned`. */
  readonly traits: readonly Trait[];
  /** Those the host speaks for. What is owned and not in `traits` is withdrawn; no other trait is ever touched. */
  readonly owned: readonly Trait[];
}

/** Says what this host can do; asked again at every reconciliation. */
export interface TraitProvider {
  readonly name: string;
  /** Every trait it may ever say; nobody else on this host speaks for them. */
  readonly owned: readonly Trait[];
  /** Those that are true now. One that throws has none: what cannot be shown is not claimed. */
  traits(ctx: OpContext): Promise<readonly Trait[]>;
}

/** Who is described, and what is said of it. */
export interface ReportedTraits {
  readonly provider: { readonly id: string; readonly name: string };
  /** All of them, also those of others. */
  readonly traits: readonly string[];
  /** Counts changes, where the service counts them. */
  readonly generation?: number;
}

/** What a report changed: nothing, if it was so already. */
export interface TraitChange extends ReportedTraits {
  readonly added: readonly Trait[];
  readonly removed: readonly Trait[];
}

/** Tells somebody (Placement is one). */
export interface TraitReporter {
  readonly name: string;
  /**
   * Makes it so: of the owned traits exactly those of the claim, and every other one as it is, also if others write at the
   * same time. Idempotent: the same claim twice writes nothing the second time.
   */
  report(claim: TraitClaim, ctx: OpContext): Promise<TraitChange>;
  /** What is said now; changes nothing. */
  show?(ctx: OpContext): Promise<ReportedTraits>;
  /**
   * Makes this host known to the service, where it is not: for hosts that nobody else registers. Idempotent.
   * @returns whether it was made now
   */
  createProvider?(ctx: OpContext): Promise<boolean>;
}

export const TraitProviders = extensionPoint<TraitProvider>("luksmith.trait-providers");
export const TraitReporters = extensionPoint<TraitReporter>("luksmith.trait-reporters");

/** The traits of encrypted disks; reported together, as by Nova's libvirt driver. */
export const ENCRYPTION_TRAITS: readonly Trait[] = [
  "COMPUTE_EPHEMERAL_ENCRYPTION",
  "COMPUTE_EPHEMERAL_ENCRYPTION_LUKS",
];

/**
 * The traits of an image backend. Both are reported together, and only for LUKS: the format `plain` (dm-crypt) has a
 * trait in os-traits that the libvirt driver never reports.
 */
export function encryptionTraits(backend: ImageBackend): readonly Trait[] {
  return backend.capabilities.encryption.includes("luks") ? ENCRYPTION_TRAITS : [];
}
