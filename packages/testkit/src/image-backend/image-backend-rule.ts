import type { BackendCapabilities } from "@luksmith/core";
import type { BackendBench } from "./backend-bench.ts";

/** One sentence of the contract. */
export interface ImageBackendRule {
  /** Stable: `IB-1`. */
  readonly id: string;
  readonly title: string;
  /** Whether the rule concerns a backend of such capabilities. */
  readonly when?: (capabilities: BackendCapabilities) => boolean;
  /** Throws when the rule is broken. */
  readonly check: (bench: BackendBench) => Promise<void>;
}
