import { afterAll, describe, expect, type RunnerTask, test } from "vitest";
import { brokenBy, checkRule, type Rule } from "./rule.ts";
import {
  type PluginPackage,
  type RuleResult,
  type SuiteKind,
  suiteReport,
  suiteReportText,
} from "./suite-report.ts";
import { testedPackage } from "./tested-package.ts";
import { writeReport } from "./write-report.ts";

export interface SuiteOptions {
  /** For each test, where the storage or server is slow; vitest's own by default. */
  readonly timeoutMs?: number;
  /** The folder that the report is written to. Default: `LUKSMITH_REPORT` in the environment; without it, none is. */
  readonly report?: string;
  /** What is tested. Default: the package that the test file is in. */
  readonly plugin?: PluginPackage;
}

/** A suite: its rules, how to get a thing to check them on, and what that says about itself. */
export interface RuleSuite<T extends AsyncDisposable> {
  readonly kind: SuiteKind;
  readonly subject: string;
  readonly rules: readonly Rule<T>[];
  readonly open: () => Promise<T>;
  readonly capabilities: (opened: T) => unknown;
}

const KIND_FOR_PEOPLE: Readonly<Record<SuiteKind, string>> = {
  "image-backend": "image backend",
  "key-manager": "key manager",
  "trait-reporter": "trait reporter",
};

/** One test per rule, each with a thing of its own; then the report. */
export function describeRules<T extends AsyncDisposable>(
  { kind, subject, rules, open, capabilities }: RuleSuite<T>,
  options: SuiteOptions = {},
): void {
  const { timeoutMs, report: folder = process.env["LUKSMITH_REPORT"] } = options;
  const limit = timeoutMs === undefined ? {} : { timeout: timeoutMs };
  describe(`${KIND_FOR_PEOPLE[kind]} ${subject}`, () => {
    let declared: unknown = null;
    for (const rule of rules) {
      test(`${rule.id} ${rule.title}`, limit, async ({ skip }) => {
        expect.hasAssertions();
        await using opened = await open();
        declared ??= capabilities(opened);
        const missing = rule.needs?.(opened);
        if (missing !== undefined) skip(missing);
        const left = await checkRule(rule, opened);
        if (left !== undefined) skip(left);
      });
    }
    // vitest reads the first parameter's text, which must be a pattern.
    // oxlint-disable-next-line no-empty-pattern
    afterAll(({}, { tasks, file }) => {
      if (!folder) return;
      const results = rules.map((rule) => resultOf(rule, tasks));
      const plugin = options.plugin ?? testedPackage(file.filepath);
      const report = suiteReport({ kind, subject, plugin, capabilities: declared, rules: results });
      const path = writeReport(folder, report);
      process.stdout.write(`\n${suiteReportText(report)}  report   ${path}\n`);
    });
  });
}

function nameOf({ id, title }: Rule<never>): string {
  return `${id} ${title}`;
}

/** As vitest has it, which also knows of time-outs and of errors in between. */
function resultOf(rule: Rule<never>, tasks: readonly RunnerTask[]): RuleResult {
  const { id, title } = rule;
  const task = tasks.find(({ name }) => name === nameOf(rule));
  const { state, errors, note } = { note: undefined, ...task?.result };
  // The rule is named already.
  const reason = errors?.[0]?.message.replace(brokenBy(rule), "") ?? note;
  const because = reason === undefined ? {} : { reason };
  if (state === "pass") return { id, title, result: "passed" };
  if (state === "fail") return { id, title, result: "failed", ...because };
  // Without a note it was left out by `-t`, `.only` or the like, and proves nothing.
  if (state === "skip" && note !== undefined) return { id, title, result: "skipped", ...because };
  return { id, title, result: "not-run" };
}
