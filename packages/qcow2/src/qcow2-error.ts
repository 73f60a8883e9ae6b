/** How a host reacts to an error; `packages/core` maps each to an exit code and an HTTP status. */
export type Qcow2ErrorCategory = "input" | "integrity" | "unsupported";

/**
 * Every error the format code throws; `details.reason` names the rule that was broken.
 *
 * - `Qcow2HeaderInvalid`: not qcow2, truncated, or a header field that contradicts another
 * - `Qcow2TableInvalid`: an entry of the L1, L2 or refcount tables that cannot be
 * - `Qcow2HeaderHostile`: well-formed, but obeying it would cost more than QEMU's own limits allow
 * - `Qcow2Unsupported`: a feature that this code leaves to qemu-img
 * - `Qcow2RequestInvalid`: parameters that no image can have
 */
export const QCOW2_ERROR_CODES = {
  Qcow2HeaderInvalid: "integrity",
  Qcow2TableInvalid: "integrity",
  Qcow2HeaderHostile: "integrity",
  Qcow2Unsupported: "unsupported",
  Qcow2RequestInvalid: "input",
} as const satisfies Record<string, Qcow2ErrorCategory>;

export type Qcow2ErrorCode = keyof typeof QCOW2_ERROR_CODES;

/** The brand shared with `@luksmith/core`, so that its `isLuksmithError` recognises these. */
const BRAND = Symbol.for("luksmith.error");

/** An error about a qcow2 image. */
export class Qcow2Error extends Error {
  override readonly name = "Qcow2Error";
  readonly [BRAND] = true;
  readonly category: Qcow2ErrorCategory;
  readonly retryable = false;
  readonly code: Qcow2ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  /** @param reason - a short word for the rule, for programs and tests */
  constructor(code: Qcow2ErrorCode, reason: string, message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.code = code;
    this.category = QCOW2_ERROR_CODES[code];
    this.details = { reason, ...details };
  }
}
