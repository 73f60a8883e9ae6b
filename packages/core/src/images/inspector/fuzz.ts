import { parseArgs } from "node:util";
import { hostileImages, tryImage } from "./fixtures/fuzz-step.ts";
import { drawFrom } from "./fixtures/mutant.ts";

/**
 * Feeds damaged images to the inspector for some seconds and reports what came of it:
 * `node --conditions=luksmith-source packages/core/src/images/inspector/fuzz.ts [SECONDS] [SEED]`
 */
async function fuzz(seconds: number, start: number): Promise<void> {
  const codes = new Map<string, number>();
  const images = hostileImages(drawFrom(start));
  const end = performance.now() + seconds * 1000;
  let executions = 0;
  let slowestMs = 0;
  let rssAtFirst = 0;
  let now = performance.now();
  while (now < end) {
    const image = images.next().value;
    const began = performance.now();
    try {
      for (const code of await tryImage(image)) codes.set(code, (codes.get(code) ?? 0) + 1);
    } catch (error) {
      process.stdout.write(`broken at execution ${executions} of seed ${start}\n`);
      throw error;
    }
    now = performance.now();
    slowestMs = Math.max(slowestMs, now - began);
    executions += 1;
    // Compilation and the images themselves are in memory by then.
    if (executions === 2000) rssAtFirst = process.memoryUsage.rss();
  }
  const grownMiB = rssAtFirst === 0 ? undefined : (process.memoryUsage.rss() - rssAtFirst) / 2 ** 20;
  const byCount = [...codes].sort(([, a], [, b]) => b - a);
  const report = {
    seed: start,
    seconds,
    executions,
    slowestMs,
    rssGrowthMiB: grownMiB,
    codes: byCount.length,
  };
  process.stdout.write(
    `${JSON.stringify(report)}\n${byCount.map(([code, n]) => `${n} ${code}`).join("\n")}\n`,
  );
}

const { positionals } = parseArgs({ allowPositionals: true });
const [seconds = "10", start = String(Date.now() >>> 0)] = positionals;
await fuzz(Number(seconds), Number(start));
