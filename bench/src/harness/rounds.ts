import { setTimeout as sleep } from "node:timers/promises";

/** Something that is measured once a round. */
export interface Subject<Sample> {
  readonly name: string;
  /** Rounds it takes part in, spread evenly over all of them; default every one. */
  readonly rounds?: number;
  measure(round: number): Promise<Sample>;
}

/** Milliseconds of nothing in which an agent makes ready what the next disk needs, as between two requests. */
export const REST_MS = 100;

/** Told before each measurement. */
export type RoundListener = (text: string) => void;

/**
 * Measures all subjects in the same rounds, so that whatever else the machine does meets all of them alike. Each round
 * begins with another subject.
 *
 * @param restMs - before each measurement
 * @returns the samples by subject and round
 */
export async function interleave<Sample>(
  subjects: readonly Subject<Sample>[],
  rounds: number,
  onMeasure: RoundListener = () => {},
  restMs = 0,
): Promise<ReadonlyMap<string, ReadonlyMap<number, Sample>>> {
  const samples = new Map(subjects.map(({ name }) => [name, new Map<number, Sample>()]));
  for (let round = 0; round < rounds; round++) {
    const first = round % subjects.length;
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      if (!takesPart(subject.rounds ?? rounds, round, rounds)) continue;
      onMeasure(`round ${round + 1} of ${rounds}: ${subject.name}`);
      if (restMs > 0) await sleep(restMs);
      samples.get(subject.name)?.set(round, await subject.measure(round));
    }
  }
  return samples;
}

/** Whether one of `some` evenly spread rounds is this one. */
function takesPart(some: number, round: number, rounds: number): boolean {
  return Math.floor(((round + 1) * some) / rounds) > Math.floor((round * some) / rounds);
}

/** One figure of a subject's samples, by round. */
export function figures<Sample>(
  samples: ReadonlyMap<string, ReadonlyMap<number, Sample>>,
  name: string,
  figure: (sample: Sample) => number,
): ReadonlyMap<number, number> {
  const own = samples.get(name);
  if (own === undefined) throw new Error(`nothing was measured under the name ${name}`);
  return new Map([...own].map(([round, sample]) => [round, figure(sample)]));
}
