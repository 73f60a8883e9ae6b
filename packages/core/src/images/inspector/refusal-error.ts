import type { ErrorCategory } from "../../errors/codes.ts";
import type { AnyLuksmithError } from "../../errors/luksmith-error.ts";
import type { Refusal } from "./refusal.ts";

const BRAND = Symbol.for("luksmith.error");

/** A refused image, in the shape of a `LuksmithError`. */
export class ImageRefusedError extends Error implements AnyLuksmithError {
  override readonly name = "LuksmithError";
  readonly [BRAND] = true;
  readonly code: Refusal["code"];
  readonly category: ErrorCategory;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryable = false;

  /** @param subject names the image: `image 6a1f…` */
  constructor(subject: string, { code, category, message, details, cause }: Refusal) {
    super(`${subject} cannot be used: it ${message}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.category = category;
    this.details = details;
  }
}
