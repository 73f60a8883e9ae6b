import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { compareWithLimit, seriesOf } from "../harness/comparison.ts";
import { requireBelow } from "../harness/requirement.ts";
import { summarize } from "../harness/statistics.ts";
import type { BenchImage } from "../ours/encrypted-server.ts";
import { WarmCreator } from "../ours/warm-creator.ts";
import type { Work, WorkContext, WorkResult } from "../work.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 1024 * MIB;
const LIMIT_MS = 20;
/** How often the monitor looks, in ms; what it reports includes this. */
const RESOLUTION = 1;
const LEAST_CREATES = 20;

/** How long the event loop is held up while instances are made and one of them is filled from an image. */
export const eventLoop: Work = {
  name: "event-loop",
  about: "the longest delay of the event loop during creates and a fill",
  run: runEventLoop,
};

async function runEventLoop(ctx: WorkContext): Promise<WorkResult> {
  const rounds = ctx.rounds(9);
  const longest: number[] = [];
  const typical: number[] = [];
  let creates = 0;
  for (let round = 0; round < rounds; round++) {
    ctx.progress(`event-loop, round ${round + 1} of ${rounds}`);
    await using creator = await WarmCreator.start(join(ctx.directory, `host-${round}`), DISK_BYTES);
    const image = creator.addImage((ctx.quick ? 32 : 512) * MIB);
    const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
    delay.enable();
    creates += await createBeside(creator, image);
    delay.disable();
    longest.push(delay.max / 1e6 - RESOLUTION);
    typical.push(delay.percentile(99) / 1e6 - RESOLUTION);
  }
  const { median, max } = summarize(longest);
  const row = { work: "event-loop", unit: "ms", better: "lower", limit: LIMIT_MS } as const;
  return {
    rows: [
      compareWithLimit({ ...row, peer: `longest delay < ${LIMIT_MS} ms`, ours: seriesOf(longest) }),
      compareWithLimit({ ...row, peer: `99 % of delays < ${LIMIT_MS} ms`, ours: seriesOf(typical) }),
    ],
    verdicts: [
      requireBelow(
        median,
        LIMIT_MS,
        "ms",
        "the event loop's longest delay stays below 20 ms (median of runs)",
      ),
    ],
    notes: [
      `Longest delay of all ${rounds} runs: ${max.toFixed(1)} ms; ${creates} creates beside the fills.`,
    ],
  };
}

/** Fills one instance from the image and makes others all the while; how many. */
async function createBeside(creator: WarmCreator, image: BenchImage): Promise<number> {
  const state = { filling: true };
  const filling = creator.createInstance(image).finally(() => (state.filling = false));
  let creates = 0;
  for (; state.filling || creates < LEAST_CREATES; creates++) await creator.createInstance();
  await filling;
  return creates;
}
