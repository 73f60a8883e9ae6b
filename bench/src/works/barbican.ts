import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compare, seriesOf } from "../harness/comparison.ts";
import { measureCommand } from "../harness/command.ts";
import type { Verdict } from "../harness/requirement.ts";
import { percentile } from "../harness/statistics.ts";
import type { BarbicanLoad } from "../ours/barbican-load.ts";
import type { Work, WorkContext, WorkResult } from "../work.ts";

const CHILD = fileURLToPath(new URL("../ours/barbican-load.ts", import.meta.url));
const GROWTH = 0.1;
const CONCURRENCY = 8;
const FAULTY = 0.2;

/** Creates with passphrases in a real Barbican: rate, latency, memory, and what is left when calls fail. */
export const barbican: Work = {
  name: "barbican",
  about: "500 creates over a real Barbican, then over one that fails 20 % of calls; only when named",
  onlyWhenNamed: true,
  run: runBarbican,
};

async function runBarbican(ctx: WorkContext): Promise<WorkResult> {
  const count = ctx.quick ? 30 : 500;
  const well = await load(ctx, count, 0);
  const faulty = await load(ctx, count, FAULTY);
  const work = "barbican";
  const bare = "the same secrets stored and read by a bare client";
  const rate = compare({
    work,
    unit: "per s",
    better: "higher",
    peer: bare,
    ours: seriesOf([count / well.seconds]),
    theirs: seriesOf([count / well.bareSeconds]),
  });
  const [first = 0, , last = 0] = well.rss;
  const growth = last / first - 1;
  return {
    rows: [rate],
    verdicts: [
      {
        requirement: `memory after ${count} creates is at most 10 % above that after ${count / 10}`,
        passed: growth <= GROWTH,
        found: `${(growth * 100).toFixed(1)} %`,
      },
      consistent("Barbican", well),
      consistent("a Barbican that fails 20 % of calls", faulty),
    ],
    notes: [note("Barbican", count, well), note("20 % of calls fail", count, faulty)],
  };
}

async function load(ctx: WorkContext, count: number, share: number): Promise<BarbicanLoad> {
  const directory = join(ctx.directory, `share-${share}`);
  mkdirSync(directory);
  ctx.progress(`barbican, ${count} creates, ${share * 100} % of calls fail`);
  const { stdout } = await measureCommand({
    file: process.execPath,
    args: [
      "--expose-gc",
      ...process.execArgv,
      CHILD,
      directory,
      String(count),
      String(CONCURRENCY),
      String(share),
    ],
  });
  // Asserted: our own program's answer
  return JSON.parse(stdout) as BarbicanLoad;
}

function consistent(what: string, run: BarbicanLoad): Verdict {
  const { disksWithoutSecret, secretsWithoutDisk, duplicates } = run;
  return {
    requirement: `${what}: nothing lost, nothing orphaned, nothing twice`,
    passed: disksWithoutSecret + secretsWithoutDisk + duplicates === 0,
    found: `${disksWithoutSecret} disks without secret, ${secretsWithoutDisk} secrets without disk, ${duplicates} twice`,
  };
}

function note(what: string, count: number, run: BarbicanLoad): string {
  const p = (share: number) => percentile(run.creates, share).toFixed(0);
  const [spoiled, all] = run.spoiled;
  const failed = Object.entries(run.failed).map(([code, times]) => `${times} ${code}`);
  return (
    `${what}: ${run.creates.length} of ${count} creates at concurrency ${CONCURRENCY}, ` +
    `${(run.creates.length / run.seconds).toFixed(1)} a second, p50 ${p(0.5)} ms, p95 ${p(0.95)} ms; ` +
    `RSS ${run.rss.map((mb) => mb.toFixed(0)).join(", ")} MB; ${spoiled} of ${all} calls spoiled; ` +
    `failed: ${failed.join(", ") || "none"}.`
  );
}
