import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { BenchArguments } from "./arguments.ts";
import { Scratch } from "./harness/scratch.ts";
import type { Work, WorkResult } from "./work.ts";

/** Rounds of a quick run. */
const QUICK_ROUNDS = 2;

/** Told of each work's result as soon as there is one. */
export type ResultListener = (work: Work, result: WorkResult) => void;

/** Runs works one after another, each in a directory of its own that is gone afterwards. */
export async function runWorks(
  works: readonly Work[],
  options: Pick<BenchArguments, "quick" | "rounds" | "dir">,
  progress: (text: string) => void,
  onResult: ResultListener,
): Promise<void> {
  using scratch = new Scratch(options.dir);
  for (const work of works) {
    const directory = join(scratch.path, work.name);
    mkdirSync(directory);
    const rounds = (usual: number): number => options.rounds ?? (options.quick ? QUICK_ROUNDS : usual);
    onResult(work, await work.run({ directory, quick: options.quick, rounds, progress }));
    rmSync(directory, { recursive: true, force: true });
  }
}
