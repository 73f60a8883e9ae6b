import type { Refusal } from "./refusal.ts";

/** A format whose signature a file bears. */
export interface Match<Format extends string, Facts> {
  readonly format: Format;
  /** Bytes that a guest would see; undefined when the header does not say it credibly. */
  readonly virtualSize: bigint | undefined;
  /** What the header says; absent when it is cut off. */
  readonly facts?: Facts;
  /** Why it must not be used, whatever the policy; the most telling first. */
  readonly refusals: readonly Refusal[];
}

/** A match of which only the signature is sure. */
export function bareMatch<Format extends string>(
  format: Format,
  refusals: readonly Refusal[],
): Match<Format, never> {
  return { format, virtualSize: undefined, refusals };
}
