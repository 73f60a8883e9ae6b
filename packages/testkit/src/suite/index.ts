export type { SuiteOptions } from "./describe-rules.ts";
export { brokenBy, BrokenRule, checkRule, type Rule } from "./rule.ts";
export { type PluginPackage, type RuleResult, type SuiteKind, type SuiteReport } from "./suite-report.ts";
