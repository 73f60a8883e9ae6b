import type { TraitReporterFixture } from "./trait-reporter-fixture.ts";

/** One sentence of the contract. */
export interface TraitReporterRule {
  /** Stable: `TR-1`. */
  readonly id: string;
  readonly title: string;
  /** Why the rule cannot be checked on this fixture, if it cannot. */
  readonly needs?: (fixture: TraitReporterFixture) => string | undefined;
  /** Throws when the rule is broken. */
  readonly check: (fixture: TraitReporterFixture) => Promise<void>;
}
