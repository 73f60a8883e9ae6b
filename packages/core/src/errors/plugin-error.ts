import type { ErrorCategory } from "./codes.ts";
import type { AnyLuksmithError, ErrorOptions } from "./luksmith-error.ts";

const BRAND = Symbol.for("luksmith.error");

/**
 * An error of a plugin from elsewhere. Hosts branch on the category; the code starts with the plugin's own prefix
 * (`ACME_VOLUME_GONE`), so that it can never be taken for one of core's.
 */
export class PluginError extends Error implements AnyLuksmithError {
  override readonly name = "PluginError";
  readonly [BRAND] = true;
  readonly code: `${string}_${string}`;
  readonly category: ErrorCategory;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryable: boolean;

  constructor(
    code: `${string}_${string}`,
    category: ErrorCategory,
    message: string,
    options: ErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.category = category;
    this.details = options.details ?? {};
    this.retryable = options.retryable ?? (category === "unavailable" || category === "timeout");
  }
}
