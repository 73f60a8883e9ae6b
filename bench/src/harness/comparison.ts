import { median, type Summary, summarize } from "./statistics.ts";

/** The values of one subject by round; a subject that sits a round out has none for it. */
export type Series = ReadonlyMap<number, number>;

/** Ours against one peer in one figure. */
export interface Comparison {
  readonly work: string;
  /** The peer with its setting. */
  readonly peer: string;
  readonly unit: string;
  readonly ours: Summary;
  readonly theirs: Summary;
  /** How many times better ours is: the median of the ratios of each round. */
  readonly ratio: number;
}

/** Which way a figure is good: `lower` for times and bytes held, `higher` for rates. */
export type Better = "lower" | "higher";

export interface Compared {
  readonly work: string;
  readonly peer: string;
  readonly unit: string;
  readonly better: Better;
  readonly ours: Series;
  readonly theirs: Series;
}

/** Compares what was measured in the same rounds. */
export function compare({ work, peer, unit, better, ours, theirs }: Compared): Comparison {
  const ratios = [...theirs].flatMap(([round, their]) => {
    const our = ours.get(round);
    if (our === undefined) return [];
    return [better === "lower" ? their / our : our / their];
  });
  return {
    work,
    peer,
    unit,
    ours: summarize([...ours.values()]),
    theirs: summarize([...theirs.values()]),
    ratio: median(ratios),
  };
}

/** Compares with a fixed limit that stands in the requirements. */
export function compareWithLimit(
  row: Omit<Compared, "theirs" | "peer"> & { readonly limit: number; readonly peer?: string },
): Comparison {
  const theirs = new Map([...row.ours.keys()].map((round) => [round, row.limit]));
  return compare({ peer: "the requirement", ...row, theirs });
}

/** The values of a plain list, one a round. */
export function seriesOf(values: readonly number[]): Series {
  return new Map(values.entries());
}
