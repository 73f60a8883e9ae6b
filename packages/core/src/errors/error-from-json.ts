import { CATEGORIES, type ErrorCategory } from "./codes.ts";
import type { AnyLuksmithError } from "./luksmith-error.ts";

const BRAND = Symbol.for("luksmith.error");

/** An error that another process raised and sent as `errorToJson` makes it: of the same code, category and message. */
class ErrorFromElsewhere extends Error implements AnyLuksmithError {
  override readonly name = "LuksmithError";
  readonly [BRAND] = true;
  readonly code: string;
  readonly category: ErrorCategory;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryable: boolean;

  constructor(error: Omit<AnyLuksmithError, "name" | "stack" | "cause">) {
    super(error.message);
    this.code = error.code;
    this.category = error.category;
    this.details = error.details;
    this.retryable = error.retryable;
  }
}

/** The reverse of `errorToJson`. Undefined: it is nothing of the kind. */
export function errorFromJson(value: unknown): AnyLuksmithError | undefined {
  if (!isRecord(value)) return undefined;
  const { code, category, message, retryable, details } = value;
  if (typeof code !== "string" || typeof message !== "string") return undefined;
  if (typeof category !== "string" || !Object.hasOwn(CATEGORIES, category)) return undefined;
  return new ErrorFromElsewhere({
    code,
    message,
    category: category as ErrorCategory, // looked up above
    retryable: retryable === true,
    details: isRecord(details) ? details : {},
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
