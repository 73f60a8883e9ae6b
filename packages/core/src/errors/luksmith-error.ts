import { CATEGORIES, ERROR_CODES, type ErrorCategory, type ErrorCode } from "./codes.ts";

/** Shared through the global symbol registry, so that duplicate copies of a package recognise each other's errors. */
const BRAND = Symbol.for("luksmith.error");

export interface ErrorOptions {
  /** What a person or a program needs besides the message; never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
  /** Whether the same call may work later; by default true for `unavailable` and `timeout`. */
  readonly retryable?: boolean;
}

/** Anything Luksmith throws on purpose, from any copy of core or luks. */
export interface AnyLuksmithError extends Error {
  readonly code: string;
  readonly category: ErrorCategory;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryable: boolean;
}

/** An error that says what happened, to which disk, and what to do next. */
export class LuksmithError extends Error implements AnyLuksmithError {
  override readonly name = "LuksmithError";
  readonly [BRAND] = true;
  readonly code: ErrorCode;
  readonly category: ErrorCategory;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.category = ERROR_CODES[code];
    this.details = options.details ?? {};
    this.retryable = options.retryable ?? (this.category === "unavailable" || this.category === "timeout");
  }
}

export function isLuksmithError(value: unknown): value is AnyLuksmithError {
  return typeof value === "object" && value !== null && BRAND in value;
}

/** The exit code for whatever was thrown; unknown values are our bug (70). */
export function exitCodeOf(error: unknown): number {
  return CATEGORIES[isLuksmithError(error) ? error.category : "internal"].exitCode;
}

/** An error as one JSON object, for `--json` and the daemon. */
export function errorToJson(error: unknown): Record<string, unknown> {
  if (!isLuksmithError(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return { code: "InternalError", category: "internal", message, retryable: false, details: {} };
  }
  const { code, category, message, retryable, details } = error;
  return { code, category, message, retryable, details };
}
