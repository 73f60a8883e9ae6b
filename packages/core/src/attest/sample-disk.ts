import { createHash } from "node:crypto";
import { type OpContext, throwIfCancelled } from "../image/op-context.ts";
import type { StoredPayload } from "../image/stored-payload.ts";
import {
  LOG_FALSE_POSITIVE,
  SampleCounter,
  type SampleStatistics,
  SECTOR_BYTES,
} from "./sample-statistics.ts";

/** Bytes of each place that is looked at. */
export const PLACE_BYTES = 4096;
/** Places at a disk's beginning that are always looked at: partition tables and superblocks are there. */
const FIRST = 16;
const CONFIDENCE = 0.99;

/** What was looked at of a disk's storage, and what it looked like. JSON. */
export type Sampling = {
  /** Place `i` is SHA-256(`SEED:i`), its first 6 bytes as a number, modulo the number of pieces of `bytes_each`. */
  readonly seed: string;
  readonly places: number;
  readonly bytes_each: number;
  /** Places for which the disk stores nothing: never written, or its base's. */
  readonly not_stored: number;
  readonly statistics: SampleStatistics;
  /** SHA-256 of all that was looked at, in order: whoever looks again while the guest is off gets the same. */
  readonly sha256: string;
  /** At most so often would the entropy of any sector of a well encrypted disk object, by chance. */
  readonly false_positive: number;
  /** Not noise in this part of the disk would have been met with the probability `confidence`. */
  readonly detects: { readonly fraction: number; readonly confidence: number };
};

export interface SamplePlan {
  readonly seed: string;
  /** Places chosen by the seed, besides the first of the disk and its last. */
  readonly places: number;
}

/** Looks at what a disk stores at places that a seed chooses. */
export async function sampleDisk(
  virtualSize: bigint,
  open: () => Promise<StoredPayload>,
  { seed, places }: SamplePlan,
  ctx: OpContext,
): Promise<Sampling> {
  const counter = new SampleCounter();
  const digest = createHash("sha256");
  const chosen = placesOf(virtualSize, seed, places);
  let missing = 0;
  await using payload = await open();
  for (const place of chosen) {
    throwIfCancelled(ctx);
    const position = place * BigInt(PLACE_BYTES);
    const left = virtualSize - position;
    const length = left < BigInt(PLACE_BYTES) ? Number(left) : PLACE_BYTES;
    const bytes = await payload.read(position, length, ctx);
    if (!bytes) {
      missing++;
      continue;
    }
    digest.update(bytes);
    for (let at = 0; at < bytes.length; at += SECTOR_BYTES)
      counter.add(bytes.subarray(at, at + SECTOR_BYTES));
  }
  const { statistics } = counter;
  return {
    seed,
    places: chosen.length,
    bytes_each: PLACE_BYTES,
    not_stored: missing,
    statistics,
    sha256: digest.digest("hex"),
    false_positive: statistics.judged * 10 ** LOG_FALSE_POSITIVE,
    detects: { fraction: 1 - (1 - CONFIDENCE) ** (1 / chosen.length), confidence: CONFIDENCE },
  };
}

/** Each once: a place that came twice would be taken for blocks that repeat. */
function placesOf(virtualSize: bigint, seed: string, places: number): readonly bigint[] {
  const pieces = (virtualSize + BigInt(PLACE_BYTES) - 1n) / BigInt(PLACE_BYTES);
  const chosen = new Set<bigint>();
  if (pieces === 0n) return [];
  for (let i = 0n; i < BigInt(FIRST) && i < pieces; i++) chosen.add(i);
  chosen.add(pieces - 1n);
  for (let i = 0; i < places; i++) {
    const hash = createHash("sha256").update(`${seed}:${i}`).digest();
    chosen.add(BigInt(hash.readUIntBE(0, 6)) % pieces);
  }
  return [...chosen];
}
