import type { Comparison } from "./harness/comparison.ts";
import type { Verdict } from "./harness/requirement.ts";

/** What a work may use. */
export interface WorkContext {
  /** An empty directory of its own, beside where disks would be. */
  readonly directory: string;
  /** Small and few: a smoke test, whose figures mean little. */
  readonly quick: boolean;
  /** Rounds to run: the caller's choice, else `usual`, else few when quick. */
  rounds(usual: number): number;
  progress(text: string): void;
}

export interface WorkResult {
  readonly rows: readonly Comparison[];
  readonly verdicts: readonly Verdict[];
  /** For people, below the table. */
  readonly notes?: readonly string[];
}

/** One thing to measure, under a stable name. */
export interface Work {
  readonly name: string;
  /** For the help text. */
  readonly about: string;
  /** Needs more than the others, so it is left out of a run of all. */
  readonly onlyWhenNamed?: true;
  run(ctx: WorkContext): Promise<WorkResult>;
}
