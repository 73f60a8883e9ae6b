import type { Rule } from "../suite/rule.ts";
import type { TraitReporterFixture } from "./trait-reporter-fixture.ts";

/** One sentence of the contract. */
export type TraitReporterRule = Rule<TraitReporterFixture>;
