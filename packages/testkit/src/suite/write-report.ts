import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type SuiteReport, suiteReportText } from "./suite-report.ts";

/**
 * Writes a report into a folder, as `KIND.SUBJECT.json` and `.txt`. One pair for each suite: vitest runs test files in
 * processes of their own, which must not write over each other's.
 * @returns the JSON file
 */
export function writeReport(folder: string, report: SuiteReport): string {
  const { suite, subject } = report;
  const base = join(folder, `${suite.kind}.${subject.replaceAll(/[^\w.-]+/g, "-")}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${base}.json`, `${JSON.stringify(report, undefined, 2)}\n`);
  writeFileSync(`${base}.txt`, suiteReportText(report));
  return `${base}.json`;
}
