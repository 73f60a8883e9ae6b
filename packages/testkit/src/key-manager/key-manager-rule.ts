import type { KeyManagerFixture } from "./key-manager-fixture.ts";

/** One sentence of the contract. */
export interface KeyManagerRule {
  /** Stable: `KM-1`. */
  readonly id: string;
  readonly title: string;
  /** Why the rule cannot be checked on this fixture, if it cannot. */
  readonly needs?: (fixture: KeyManagerFixture) => string | undefined;
  /** Throws when the rule is broken. */
  readonly check: (fixture: KeyManagerFixture) => Promise<void>;
}
