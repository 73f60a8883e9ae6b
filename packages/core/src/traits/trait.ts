import { extensionPoint } from "../di/token.ts";
import type { ImageBackend } from "../image/image-backend.ts";
import type { OpContext } from "../image/op-context.ts";

/** A Placement trait name: https://docs.openstack.org/os-traits. */
export type Trait = `${"COMPUTE" | "HW" | "STORAGE" | "CUSTOM"}_${string}`;

/** Says what this host can do; asked again at every reconciliation. */
export interface TraitProvider {
  readonly name: string;
  traits(ctx: OpContext): Promise<readonly Trait[]>;
}

/** Tells somebody (Placement is one). Idempotent: the same traits twice change nothing. */
export interface TraitReporter {
  readonly name: string;
  report(traits: readonly Trait[], ctx: OpContext): Promise<void>;
}

export const TraitProviders = extensionPoint<TraitProvider>("luksmith.trait-providers");
export const TraitReporters = extensionPoint<TraitReporter>("luksmith.trait-reporters");

/**
 * The traits of an image backend. Both are reported together, and only for LUKS: the format `plain` (dm-crypt) has a
 * trait in os-traits that the libvirt driver never reports.
 */
export function encryptionTraits(backend: ImageBackend): readonly Trait[] {
  return backend.capabilities.encryption.includes("luks")
    ? ["COMPUTE_EPHEMERAL_ENCRYPTION", "COMPUTE_EPHEMERAL_ENCRYPTION_LUKS"]
    : [];
}
