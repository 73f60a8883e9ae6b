import { fileURLToPath } from "node:url";
import { compare, seriesOf } from "../harness/comparison.ts";
import { measureCommand } from "../harness/command.ts";
import type { Verdict } from "../harness/requirement.ts";
import { percentile } from "../harness/statistics.ts";
import type { LongRun } from "../ours/long-run.ts";
import type { Work, WorkContext, WorkResult } from "../work.ts";

const CHILD = fileURLToPath(new URL("../ours/long-run.ts", import.meta.url));
const GROWTH = 0.1;

const FORCED = "cryptsetup luksFormat (--pbkdf-force-iterations 1000) and rm";
const FLOOR = "write, sync and remove the same bytes";

/** Many creates and deletes in one agent: rate, latency, memory. */
export const creates1000: Work = {
  name: "creates-1000",
  about: "1000 creates and deletes in a row in one agent",
  run: runCreates1000,
};

async function runCreates1000(ctx: WorkContext): Promise<WorkResult> {
  const count = ctx.quick ? 30 : 1000;
  ctx.progress(`creates-1000, ${count} creates and deletes`);
  const { stdout } = await measureCommand({
    file: process.execPath,
    args: ["--expose-gc", ...process.execArgv, CHILD, ctx.directory, String(count)],
  });
  // Asserted: our own program's answer
  const run = JSON.parse(stdout) as LongRun;
  const work = "creates-1000";
  const rate = { work, unit: "per s", better: "higher" } as const;
  const rates = (times: readonly number[]) => new Map(times.map((ms, i) => [i * run.peerEvery, 1000 / ms]));
  const ours = seriesOf(run.totals.map((ms) => 1000 / ms));
  const [first = 0, , last = 0] = run.rss;
  const memory = { work, unit: "MB RSS", better: "lower" } as const;
  const growth = last / first - 1;
  const verdict: Verdict = {
    requirement: `memory after ${count} creates is at most 10 % above that after ${count / 10}`,
    passed: growth <= GROWTH,
    found: `${(growth * 100).toFixed(1)} %`,
  };
  const p = (times: readonly number[], share: number) => percentile(times, share).toFixed(1);
  const seconds = run.totals.reduce((sum, ms) => sum + ms, 0) / 1000;
  return {
    rows: [
      compare({ ...rate, peer: FORCED, ours, theirs: rates(run.cryptsetup) }),
      compare({ ...rate, peer: FLOOR, ours, theirs: rates(run.floor) }),
      compare({
        ...memory,
        peer: `ours after ${count / 10} creates`,
        ours: seriesOf([last]),
        theirs: seriesOf([first]),
      }),
    ],
    verdicts: [verdict],
    notes: [
      `${(count / seconds).toFixed(1)} creates and deletes a second in all; ` +
        `create p50 ${p(run.creates, 0.5)} ms, p95 ${p(run.creates, 0.95)} ms; ` +
        `delete p50 ${p(run.deletes, 0.5)} ms, p95 ${p(run.deletes, 0.95)} ms; ` +
        `RSS ${run.rss.map((mb) => mb.toFixed(1)).join(", ")} MB after ${run.rssAt.join(", ")}.`,
    ],
  };
}
