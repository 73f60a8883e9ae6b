import { describe, expect, test } from "vitest";
import type { TraitReporterFixture } from "./trait-reporter-fixture.ts";
import { TRAIT_REPORTER_RULES } from "./trait-reporter-rules.ts";

/**
 * Proves that a trait reporter keeps the contract: one test per rule, each with a fixture of its own.
 *
 * @example
 * describeTraitReporter("acme", async () => {
 *   const service = await startAcme();
 *   return { reporter: new AcmeReporter(service.url), traits: ["CUSTOM_A", "CUSTOM_B"], ... };
 * });
 */
export function describeTraitReporter(name: string, fixture: () => Promise<TraitReporterFixture>): void {
  describe(`trait reporter ${name}`, () => {
    for (const rule of TRAIT_REPORTER_RULES) {
      test(`${rule.id} ${rule.title}`, async ({ skip }) => {
        expect.hasAssertions();
        await using made = await fixture();
        const missing = rule.needs?.(made);
        if (missing !== undefined) skip(missing);
        await rule.check(made);
      });
    }
  });
}
