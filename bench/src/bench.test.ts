import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { runWorks } from "./bench.ts";
import { jsonRow } from "./harness/report.ts";
import type { WorkResult } from "./work.ts";
import { eventLoop } from "./works/event-loop.ts";

test("a work runs for real and leaves nothing behind", { timeout: 60_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), "luksmith-bench-test-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const results: WorkResult[] = [];
  await runWorks(
    [eventLoop],
    { quick: true, rounds: 1, dir },
    () => {},
    (_work, result) => results.push(result),
  );
  const rows = results.flatMap((result) => result.rows.map(jsonRow));
  expect(rows.map(({ work, unit, theirs }) => ({ work, unit, theirs }))).toEqual([
    { work: "event-loop", unit: "ms", theirs: 20 },
    { work: "event-loop", unit: "ms", theirs: 20 },
  ]);
  expect(rows.every(({ ours, ratio }) => ours >= 0 && ratio > 0)).toBe(true);
  expect(readdirSync(dir)).toEqual([]);
});
