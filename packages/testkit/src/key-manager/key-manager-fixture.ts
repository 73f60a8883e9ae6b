import type { KeyManager } from "@luksmith/core";

/** What a key manager declares about itself; the suite proves it. */
export interface KeyManagerCapabilities {
  /** Has `list`. A key manager whose `create` can lose its answer (any network service) must. */
  readonly list: boolean;
}

/** One key manager under test, with a store that no other test uses or at least no other test's names are in. */
export interface KeyManagerFixture extends AsyncDisposable {
  readonly keyManager: KeyManager;
  readonly capabilities: KeyManagerCapabilities;
  /** Closes the key manager and opens its store anew, as a restarted host does. Left out: the rule is skipped. */
  readonly reopen?: () => Promise<KeyManager>;
  /** Every byte the key manager keeps where the suite can read it. Left out: the rule is skipped. */
  readonly rawStorage?: () => Promise<readonly Uint8Array[]>;
}
