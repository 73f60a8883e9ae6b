import type { Comparison } from "./comparison.ts";

/** One object of what `--json` prints; figures are medians. */
export interface JsonRow {
  readonly work: string;
  readonly peer: string;
  readonly ours: number;
  readonly theirs: number;
  readonly unit: string;
  readonly ratio: number;
}

export function jsonRow({ work, peer, ours, theirs, unit, ratio }: Comparison): JsonRow {
  return {
    work,
    peer,
    ours: rounded(ours.median),
    theirs: rounded(theirs.median),
    unit,
    ratio: rounded(ratio),
  };
}

/** What the columns mean, above the tables. */
export const HEADER = `Medians, and in "ratio" how many times better ours is (theirs / ours for times and bytes held, ours / theirs for
rates): the median of the ratios of each round, ours and the peer being measured in the same rounds. Below 1, ours is worse.`;

const COLUMNS = ["work", "peer", "unit", "ours", "theirs", "ratio", "ours min", "theirs min", "n"] as const;
const TEXT_COLUMNS = 3;

/** The rows for people, in aligned columns. */
export function table(rows: readonly Comparison[]): string {
  const lines = [COLUMNS, ...rows.map(cells)];
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          column < TEXT_COLUMNS ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function cells({ work, peer, unit, ours, theirs, ratio }: Comparison): readonly string[] {
  const figures = [ours.median, theirs.median].map(figure);
  const mins = [ours.min, theirs.min].map(figure);
  const n = ours.n === theirs.n ? String(ours.n) : `${ours.n}/${theirs.n}`;
  return [work, peer, unit, ...figures, `${figure(ratio)}x`, ...mins, n];
}

/** Three significant digits, without exponents. */
function figure(value: number): string {
  if (value >= 100) return String(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
