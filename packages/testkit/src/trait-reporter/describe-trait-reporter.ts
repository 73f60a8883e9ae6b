import { describeRules, type SuiteOptions } from "../suite/describe-rules.ts";
import type { TraitReporterFixture } from "./trait-reporter-fixture.ts";
import { TRAIT_REPORTER_RULES } from "./trait-reporter-rules.ts";

/**
 * Proves that a trait reporter keeps the contract: one test per rule, each with a fixture of its own, and a report at
 * the end.
 *
 * @example
 * describeTraitReporter("acme", async () => {
 *   const service = await startAcme();
 *   return { reporter: new AcmeReporter(service.url), traits: ["CUSTOM_A", "CUSTOM_B"], ... };
 * });
 */
export function describeTraitReporter(
  name: string,
  fixture: () => Promise<TraitReporterFixture>,
  options: SuiteOptions = {},
): void {
  const suite = {
    kind: "trait-reporter",
    subject: name,
    rules: TRAIT_REPORTER_RULES,
    open: fixture,
    capabilities: () => null,
  } as const;
  describeRules(suite, options);
}
