import type { KeyManager, OpContext } from "@luksmith/core";
import type { TestContext } from "../test-context.ts";

/** What a key manager declares about itself; the suite proves it. */
export interface KeyManagerCapabilities {
  /** Has `list`. A key manager whose `create` can lose its answer (any network service) must. */
  readonly list: boolean;
  /** Acts in the name of a user, whose token must come with each call: it has `scope`. */
  readonly users?: boolean;
}

/** One key manager under test, with a store that no other test uses or at least no other test's names are in. */
export interface KeyManagerFixture extends AsyncDisposable {
  readonly keyManager: KeyManager;
  readonly capabilities: KeyManagerCapabilities;
  /** Who calls: `testContext` with what the key manager asks for, such as a user's token. Default: `testContext`. */
  readonly context?: (overrides?: Partial<OpContext>) => TestContext;
  /** Somebody else, whose secrets are other ones, and who may neither read nor delete those of `context`. */
  readonly stranger?: () => TestContext;
  /** Closes the key manager and opens its store anew, as a restarted host does. Left out: the rule is skipped. */
  readonly reopen?: () => Promise<KeyManager>;
  /** Every byte the key manager keeps where the suite can read it. Left out: the rule is skipped. */
  readonly rawStorage?: () => Promise<readonly Uint8Array[]>;
  /** The next secret will be stored, but the answer not arrive. Called anew for each. Left out: the rule is skipped. */
  readonly loseAnswer?: () => void;
  /** Makes the service unreachable until the answer is disposed. Left out: the rule is skipped. */
  readonly unplug?: () => Disposable;
  /**
   * Changes a stored secret behind the key manager's back. Left out, where the key manager has no means to notice: the
   * rule is skipped.
   */
  readonly alter?: (id: string) => Promise<void>;
  /** The service refuses everything (HTTP 403) until the answer is disposed. Left out: the rule is skipped. */
  readonly refuse?: () => Disposable;
  /** The service answers with what is no answer of it (a proxy's page) until disposed. Left out: the rule is skipped. */
  readonly garble?: () => Disposable;
  /** The service takes requests and does not answer until disposed. Left out: the rule is skipped. */
  readonly stall?: () => Disposable;
}

/** What the steps of rules need of a fixture. */
export type KeyManagerAccess = Pick<KeyManagerFixture, "keyManager" | "context">;
