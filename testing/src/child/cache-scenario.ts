/** Creates for a process of its own. */
export interface CacheScenario {
  readonly configFile: string;
  /** REQUEST.json of instances that are made all at once. */
  readonly requests: readonly Record<string, unknown>[];
  /** Kill this process at the n-th instant. */
  readonly killAt?: number;
}

export interface CacheOutcome {
  readonly made: number;
  /** `code: message` of what failed. */
  readonly errors: readonly string[];
  readonly instants: readonly string[];
}
