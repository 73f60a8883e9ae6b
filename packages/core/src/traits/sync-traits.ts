import { throwIfCancelled, type OpContext } from "../image/op-context.ts";
import type { TraitChange, TraitClaim, TraitReporter } from "./trait.ts";

/** What became of one report. */
export type ReportOutcome =
  | { readonly reporter: string; readonly change: TraitChange; readonly error?: undefined }
  | { readonly reporter: string; readonly change?: undefined; readonly error: unknown };

/**
 * Reports to all at once. One that fails does not keep the others.
 * @throws only `Cancelled`
 */
export async function syncTraits(
  claim: TraitClaim,
  reporters: readonly TraitReporter[],
  ctx: OpContext,
): Promise<readonly ReportOutcome[]> {
  const outcomes = await Promise.all(reporters.map((reporter) => outcomeOf(reporter, claim, ctx)));
  throwIfCancelled(ctx);
  return outcomes;
}

async function outcomeOf(reporter: TraitReporter, claim: TraitClaim, ctx: OpContext): Promise<ReportOutcome> {
  try {
    return { reporter: reporter.name, change: await reporter.report(claim, ctx) };
  } catch (error) {
    return { reporter: reporter.name, error };
  }
}
