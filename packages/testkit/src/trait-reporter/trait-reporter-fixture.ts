import type { Trait, TraitReporter } from "@luksmith/core";

/** One reporter under test, with a provider that no other test uses. */
export interface TraitReporterFixture extends AsyncDisposable {
  readonly reporter: TraitReporter;
  /** Two traits that the service takes from a reporter. */
  readonly traits: readonly [Trait, Trait];
  /** A dozen others that the service takes from anybody. */
  readonly foreign: readonly Trait[];
  /** What the service says of the provider now. Asked past the reporter. */
  current(): Promise<readonly string[]>;
  /** Somebody else adds a trait; tries again until it is done, as the service wants it. */
  addForeign(trait: Trait): Promise<void>;
  /** Counts the service's writes so far, if it counts them. Left out: the rule is skipped. */
  readonly writes?: () => Promise<number>;
  /** Makes the service unreachable until it is disposed. Left out: the rule is skipped. */
  readonly outage?: () => Promise<AsyncDisposable>;
}
