import type { Comparison } from "./comparison.ts";

/** A requirement and whether this run met it. */
export interface Verdict {
  readonly requirement: string;
  readonly passed: boolean;
  /** The figure that decided, for people. */
  readonly found: string;
}

/** Ours is to be at least `factor` times better than the peer. A factor below 1 allows ours to be worse. */
export function requireRatio(row: Comparison, factor: number, what: string): Verdict {
  return { requirement: what, passed: row.ratio >= factor, found: `${row.ratio.toPrecision(3)}x` };
}

/** A figure is to stay below a limit. */
export function requireBelow(value: number, limit: number, unit: string, what: string): Verdict {
  return { requirement: what, passed: value < limit, found: `${value.toPrecision(3)} ${unit}` };
}

/** As a line of output. */
export function verdictLine({ requirement, passed, found }: Verdict): string {
  return `${passed ? "PASS" : "FAIL"}  ${requirement}: ${found}`;
}
