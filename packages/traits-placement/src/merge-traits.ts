import type { Trait, TraitClaim } from "@luksmith/core";

export interface MergedTraits {
  /** Sorted; what the provider must have. */
  readonly traits: readonly string[];
  readonly added: readonly Trait[];
  readonly removed: readonly Trait[];
}

/** Others' traits as they are, and of ours exactly those of the claim. */
export function mergeTraits(present: readonly string[], claim: TraitClaim): MergedTraits {
  const added = claim.traits.filter((trait) => !present.includes(trait));
  const removed = claim.owned.filter((trait) => !claim.traits.includes(trait) && present.includes(trait));
  const gone: readonly string[] = removed;
  return { traits: [...present.filter((trait) => !gone.includes(trait)), ...added].sort(), added, removed };
}
