import {
  type Discrepancy,
  findDiscrepancies,
  type GcOptions,
  type GcOutcome,
  type OpContext,
  type ReadableHost,
  reconcile,
} from "@luksmith/core/host";
import type { Action } from "./action.ts";

/** As `--json` prints it. */
export interface GcDocument {
  readonly applied: boolean;
  readonly discrepancies: readonly {
    readonly kind: string;
    readonly instance: string | null;
    readonly object: string;
    readonly finding: string;
    readonly advice: string;
    /** `--apply` removes it. */
    readonly removable: boolean;
    /** Null: nothing was applied. */
    readonly outcome: GcOutcome["outcome"] | null;
    readonly reason: string | null;
  }[];
  readonly foreign: number;
  readonly troubles: readonly string[];
}

export const gc: Action<GcOptions, GcDocument> = {
  kind: "gc",
  request: ({ graceSeconds: grace_seconds }) => ({ method: "POST", path: "/v1/gc", body: { grace_seconds } }),
  run: async (host, options, ctx) => {
    const { outcomes, foreign, troubles } = await reconcile(host, options, ctx);
    const discrepancies = outcomes.map(({ discrepancy, outcome, reason = null }) =>
      Object.assign(described(discrepancy), { outcome, reason }),
    );
    return { applied: true, discrepancies, foreign, troubles };
  },
};

/** Changes nothing. */
export async function gcReport(host: ReadableHost, options: GcOptions, ctx: OpContext): Promise<GcDocument> {
  const { discrepancies: found, foreign, troubles } = await findDiscrepancies(host, options, ctx);
  const discrepancies = found.map((each) => Object.assign(described(each), { outcome: null, reason: null }));
  return { applied: false, discrepancies, foreign, troubles };
}

function described({ kind, instanceUuid, object, finding, advice, act }: Discrepancy) {
  return { kind, instance: instanceUuid ?? null, object, finding, advice, removable: act !== undefined };
}
