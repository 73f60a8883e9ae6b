import type { BackendCapabilities } from "@luksmith/core";
import type { Rule } from "../suite/rule.ts";
import type { BackendBench } from "./backend-bench.ts";

/** One sentence of the contract. */
export interface ImageBackendRule extends Rule<BackendBench> {
  /** Whether the rule concerns a backend of such capabilities. */
  readonly when?: (capabilities: BackendCapabilities) => boolean;
}

/** A rule with its `when` and its `needs` as one question. */
export function asked(rule: ImageBackendRule): Rule<BackendBench> {
  const { when, needs, ...rest } = rule;
  return {
    ...rest,
    needs: (bench) =>
      when?.(bench.fixture.backend.capabilities) === false
        ? "the backend declares that it cannot do this"
        : needs?.(bench),
  };
}
