/** How a host reacts to an error; `packages/core` maps each to an exit code and an HTTP status. */
export type LuksErrorCategory = "input" | "integrity" | "unsupported" | "permission";

/**
 * Every error this package throws. Codes are stable and listed in `docs/reference/errors.md`.
 *
 * - `LuksHeaderInvalid` (integrity): not a LUKS header, truncated, or a field that contradicts another
 * - `LuksVersionUnsupported` (unsupported): a LUKS container, but not version 1
 * - `LuksCipherUnsupported` (unsupported): cipher, mode or hash that Node has no code for
 * - `LuksHeaderHostile` (integrity): well-formed, but opening it would cost more than the caps allow
 * - `LuksPassphraseRefused` (permission): no key slot opens with this passphrase
 * - `LuksKeySlotUnavailable` (input): the key slot is in use, free, out of range, or the last one
 * - `LuksRequestInvalid` (input): format parameters out of range
 */
export const LUKS_ERROR_CODES = {
  LuksHeaderInvalid: "integrity",
  LuksVersionUnsupported: "unsupported",
  LuksCipherUnsupported: "unsupported",
  LuksHeaderHostile: "integrity",
  LuksPassphraseRefused: "permission",
  LuksKeySlotUnavailable: "input",
  LuksRequestInvalid: "input",
} as const satisfies Record<string, LuksErrorCategory>;

export type LuksErrorCode = keyof typeof LUKS_ERROR_CODES;

/** The brand shared with `@luksmith/core`, so that its `isLuksmithError` recognises these across package copies. */
const BRAND = Symbol.for("luksmith.error");

/** An error about a LUKS header or key. `details` never hold key material. */
export class LuksError extends Error {
  override readonly name = "LuksError";
  readonly [BRAND] = true;
  readonly category: LuksErrorCategory;
  readonly retryable = false;
  readonly code: LuksErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: LuksErrorCode,
    message: string,
    options: { details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.category = LUKS_ERROR_CODES[code];
    this.details = options.details ?? {};
  }
}
