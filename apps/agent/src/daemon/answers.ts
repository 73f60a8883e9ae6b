import { CATEGORIES, errorToJson, isLuksmithError, LuksmithError } from "@luksmith/core/host";
import { writable } from "../output/report-error.ts";

/** Where the category does not say it well enough. */
const STATUS: Readonly<Record<string, number>> = { IdempotencyKeyReused: 422 };
/** Seconds after which it makes sense to try again. */
const RETRY_AFTER: Readonly<Record<string, number>> = { QueueFull: 1, DaemonStopping: 5, InstanceBusy: 1 };

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An error as the command line's `--json` has it, with its category's status. */
export function errorAnswer(error: unknown): ErrorAnswer {
  const known = isLuksmithError(error) ? error : fromRouter(error);
  const code = known ? known.code : "InternalError";
  const status = statusOf(error) ?? STATUS[code] ?? CATEGORIES[known?.category ?? "internal"].httpStatus;
  const after = RETRY_AFTER[code];
  return {
    status,
    headers: after === undefined ? {} : { "retry-after": String(after) },
    body: toJson({ error: errorToJson(known ?? error) }),
  };
}

export function toJson(document: unknown): string {
  return JSON.stringify(document, writable);
}

/** What the router refuses before a handler sees it: too large, not JSON by its type, no such route. */
function fromRouter(error: unknown): LuksmithError | undefined {
  const status = statusOf(error);
  if (status === undefined || status >= 500 || !(error instanceof Error)) return undefined;
  return new LuksmithError("InvalidRequest", error.message, { details: { status } });
}

function statusOf(error: unknown): number | undefined {
  if (isLuksmithError(error) || typeof error !== "object" || error === null) return undefined;
  if (!("statusCode" in error) || typeof error.statusCode !== "number") return undefined;
  return error.statusCode >= 400 && error.statusCode < 500 ? error.statusCode : undefined;
}
