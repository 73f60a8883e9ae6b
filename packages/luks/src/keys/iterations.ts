import { pbkdf2Sync } from "node:crypto";
import { MAX_ITERATIONS } from "../header/luks-header.ts";
import { LuksError } from "../luks-error.ts";

declare const stretched: unique symbol;

/** A PBKDF2 count that is fit for a passphrase a person chose: 600 000 to 12 000 000. */
export type StretchedIterations = number & { readonly [stretched]: true };

/** The format's floor, and enough for a passphrase of 512 random bits. */
export const GENERATED_ITERATIONS = 1000;

/** What OWASP asks of PBKDF2-HMAC-SHA256 for passwords. */
const STRETCHED_FLOOR = 600_000;

/**
 * Vouches for a count from configuration or policy.
 *
 * @throws LuksError `LuksRequestInvalid` below 600 000 or above 12 000 000
 */
export function stretchedIterations(iterations: number): StretchedIterations {
  if (!isStretched(iterations)) {
    throw new LuksError(
      "LuksRequestInvalid",
      `a passphrase that was not generated needs ${STRETCHED_FLOOR} to ${MAX_ITERATIONS} iterations, not ${iterations}`,
      { details: { iterations } },
    );
  }
  return iterations;
}

function isStretched(iterations: number): iterations is StretchedIterations {
  return Number.isInteger(iterations) && iterations >= STRETCHED_FLOOR && iterations <= MAX_ITERATIONS;
}

/**
 * Measures how many iterations of PBKDF2-HMAC-SHA256 for a 64-byte key take `targetMs` on this machine, within 600 000 to
 * 12 000 000. Blocks the thread for about 50 ms.
 */
export function benchmarkIterations({ targetMs }: { targetMs: number }): StretchedIterations {
  const salt = Buffer.alloc(32);
  const once = (iterations: number): number => {
    const start = performance.now();
    pbkdf2Sync("benchmark", salt, iterations, 64, "sha256");
    return performance.now() - start;
  };
  let trial = 1000;
  let took = once(trial);
  while (took < 25) took = once((trial *= 2));
  const wanted = Math.round((trial * targetMs) / took);
  return stretchedIterations(Math.min(MAX_ITERATIONS, Math.max(STRETCHED_FLOOR, wanted)));
}
