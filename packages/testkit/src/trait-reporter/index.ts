export { describeTraitReporter } from "./describe-trait-reporter.ts";
export { InMemoryTraitReporter } from "./in-memory-trait-reporter.ts";
export type { TraitReporterFixture } from "./trait-reporter-fixture.ts";
export type { TraitReporterRule } from "./trait-reporter-rule.ts";
export { TRAIT_REPORTER_RULES } from "./trait-reporter-rules.ts";
