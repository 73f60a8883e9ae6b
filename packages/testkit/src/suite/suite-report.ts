import { createRequire } from "node:module";
import { coreVersion, PLUGIN_API } from "@luksmith/core/host";

export type SuiteKind = "image-backend" | "key-manager" | "trait-reporter";

/** What became of one rule. `not-run`: a filter left it out, or the run ended before it. */
export interface RuleResult {
  readonly id: string;
  readonly title: string;
  readonly result: "passed" | "failed" | "skipped" | "not-run";
  /** Why it failed or was skipped. */
  readonly reason?: string;
}

/** The package whose plugin was tested. */
export interface PluginPackage {
  readonly name: string;
  readonly version: string;
}

/** What a suite has found, as it is written for programs. Its keys stay as they are; new ones may come. */
export interface SuiteReport {
  readonly format: 1;
  readonly suite: { readonly kind: SuiteKind; readonly version: string };
  /** As the suite was called: `acme`. */
  readonly subject: string;
  readonly plugin: PluginPackage | null;
  readonly core: {
    readonly version: string;
    readonly plugin_api: { readonly current: number; readonly oldest: number };
  };
  readonly node: string;
  /** ISO 8601, when it ended. */
  readonly ended_at: string;
  /** What the subject declares about itself; null where nothing was opened. */
  readonly capabilities: unknown;
  /** Every rule was run, and none failed. Skipped rules are about what the subject declares it cannot do, or cannot be shown. */
  readonly ok: boolean;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly not_run: number;
  /** In the order of their numbers. */
  readonly rules: readonly RuleResult[];
}

export type SuiteFindings = Pick<SuiteReport, "subject" | "plugin" | "capabilities" | "rules"> & {
  readonly kind: SuiteKind;
};

export function suiteReport({ kind, rules, ...rest }: SuiteFindings): SuiteReport {
  const count = (result: RuleResult["result"]) => rules.filter((rule) => rule.result === result).length;
  const counts = { passed: count("passed"), failed: count("failed"), skipped: count("skipped") };
  const not_run = count("not-run");
  const { current, age } = PLUGIN_API;
  return {
    format: 1,
    suite: { kind, version: suiteVersion() },
    ...rest,
    core: { version: coreVersion(), plugin_api: { current, oldest: current - age } },
    node: process.version,
    ended_at: new Date().toISOString(),
    ok: counts.failed === 0 && not_run === 0 && counts.passed > 0,
    ...counts,
    not_run,
    rules,
  };
}

/** The report for people. */
export function suiteReportText(report: SuiteReport): string {
  const { suite, subject, plugin, core, rules } = report;
  const api = core.plugin_api;
  const window = api.oldest === api.current ? `${api.current}` : `${api.oldest} to ${api.current}`;
  const named = rules.filter(({ result }) => result === "failed" || result === "skipped");
  return [
    `${suite.kind} ${subject}: ${report.ok ? "keeps the contract" : verdict(report)}`,
    `  plugin   ${plugin ? `${plugin.name} ${plugin.version}` : "of no package"}`,
    `  core     ${core.version}, plugin API ${window}; suite ${suite.version}; Node ${report.node}`,
    `  rules    ${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped, ${report.not_run} not run`,
    ...named.map(({ id, title, result, reason }) => `  ${result}  ${id} ${title}${because(reason)}`),
    "",
  ].join("\n");
}

function verdict({ failed }: SuiteReport): string {
  return failed > 0 ? "BREAKS THE CONTRACT" : "not proven, since not every rule was run";
}

function because(reason: string | undefined): string {
  const first = (reason ?? "").split("\n").find((line) => line !== "");
  return first === undefined ? "" : `: ${first}`;
}

function suiteVersion(): string {
  // Asserted: our own manifest
  return (createRequire(import.meta.url)("../../package.json") as { version: string }).version;
}
