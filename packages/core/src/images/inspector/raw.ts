import type { Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { refusal } from "./refusal.ts";

/** What is left when no signature matches: the bytes are the disk. */
export function rawMatch({ size }: Probe): Match<"raw", never> {
  const empty = refusal("ImageEmpty", "is empty; upload or fetch it again", { format: "raw" });
  return { format: "raw", virtualSize: size, refusals: size === 0n ? [empty] : [] };
}
