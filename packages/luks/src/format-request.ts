import { MAX_ITERATIONS } from "./header/luks-header.ts";
import { GENERATED_ITERATIONS, type StretchedIterations, stretchedIterations } from "./keys/iterations.ts";
import { LuksError } from "./luks-error.ts";
import { GeneratedPassphrase, type Passphrase } from "./passphrase.ts";

/**
 * A passphrase and how far it is stretched. Few iterations are only for a passphrase that Luksmith generated: it
 * carries 512 random bits. Any other needs a count from `benchmarkIterations` or `stretchedIterations`.
 */
export type KeySlotSecret =
  | {
      passphrase: GeneratedPassphrase;
      /** 1000 to 12 000 000, default 1000. */
      iterations?: number;
    }
  | { passphrase: Passphrase; iterations: StretchedIterations };

/** What a new container looks like. */
export type FormatRequest = {
  /** Lower-case RFC 4122 text. */
  uuid: string;
  /** Sectors, default 4096; at least 4040 (QEMU) and a multiple of 8 (disks with 4096-byte sectors). */
  payloadOffset?: number;
} & KeySlotSecret;

const DEFAULT_PAYLOAD_OFFSET = 4096;
const LEAST_PAYLOAD_OFFSET = 4040;
const MOST_PAYLOAD_OFFSET = 0xffff_fff8;

const refuse = (message: string, details: Record<string, unknown>): LuksError =>
  new LuksError("LuksRequestInvalid", message, { details });

/**
 * The PBKDF2 iterations for a new key slot. The types already say which are allowed; this repeats it for callers
 * without types.
 *
 * @throws LuksError `LuksRequestInvalid`
 */
export function iterationsOf(secret: { passphrase: Passphrase; iterations?: number }): number {
  const iterations = secret.iterations ?? GENERATED_ITERATIONS;
  if (!GeneratedPassphrase.is(secret.passphrase)) return stretchedIterations(iterations);
  if (!Number.isInteger(iterations) || iterations < GENERATED_ITERATIONS || iterations > MAX_ITERATIONS) {
    throw refuse(
      `a key slot has ${GENERATED_ITERATIONS} to ${MAX_ITERATIONS} iterations, not ${iterations}`,
      {
        iterations,
      },
    );
  }
  return iterations;
}

/** Checks a request; throws a `LuksError` with code `LuksRequestInvalid`. */
export function checkFormatRequest(request: FormatRequest): {
  uuid: string;
  payloadOffset: number;
  iterations: number;
} {
  const { uuid, payloadOffset = DEFAULT_PAYLOAD_OFFSET } = request;
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u.test(uuid)) {
    throw refuse("the uuid of a container is lower-case RFC 4122 text", { uuid });
  }
  const possible =
    Number.isInteger(payloadOffset) &&
    payloadOffset % 8 === 0 &&
    payloadOffset >= LEAST_PAYLOAD_OFFSET &&
    payloadOffset <= MOST_PAYLOAD_OFFSET;
  if (!possible) {
    throw refuse(
      `the payload offset is a multiple of 8 sectors from ${LEAST_PAYLOAD_OFFSET} on, not ${payloadOffset}`,
      { payloadOffset },
    );
  }
  return { uuid, payloadOffset, iterations: iterationsOf(request) };
}
