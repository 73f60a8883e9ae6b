import {
  LuksmithError,
  type OpContext,
  type ReportedTraits,
  throwIfCancelled,
  type TraitChange,
  type TraitClaim,
  type TraitReporter,
} from "@luksmith/core";

/** A reporter whose service is a set in memory; for tests of what uses reporters. */
export class InMemoryTraitReporter implements TraitReporter {
  readonly name: string = "in-memory";
  /** What is said of the host; tests may change it, as others would. */
  readonly traits = new Set<string>();
  /** So many reports changed something. */
  writes = 0;
  /** While it is set, the service is away. */
  away = false;

  async report(claim: TraitClaim, ctx: OpContext): Promise<TraitChange> {
    this.#answer(ctx);
    const added = claim.traits.filter((trait) => !this.traits.has(trait));
    const removed = claim.owned.filter((trait) => !claim.traits.includes(trait) && this.traits.has(trait));
    for (const trait of added) this.traits.add(trait);
    for (const trait of removed) this.traits.delete(trait);
    if (added.length + removed.length > 0) this.writes += 1;
    return { ...(await this.show(ctx)), added, removed };
  }

  async show(ctx: OpContext): Promise<ReportedTraits> {
    this.#answer(ctx);
    const provider = { id: "00000000-0000-4000-8000-000000000000", name: "host" };
    return { provider, traits: [...this.traits], generation: this.writes };
  }

  #answer(ctx: OpContext): void {
    throwIfCancelled(ctx);
    if (this.away)
      throw new LuksmithError("PlacementUnavailable", "the service in memory is away; try again");
  }
}
