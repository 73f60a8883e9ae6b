import { decorrelatedJitterGenerator, ExponentialBackoff } from "cockatiel";
import type { ServiceError } from "./service-error.ts";

export interface RetryOptions {
  /** How often a request is sent at most; 1: never again. A repetition after a 401 does not count. */
  readonly attempts: number;
  /** The first wait, about; later ones grow, each with jitter. */
  readonly baseMs: number;
  /** No wait is longer, whatever the service asks for. */
  readonly maxMs: number;
}

/** One try that failed. */
export interface Failure {
  readonly error: ServiceError;
  /** The same again would end the same. */
  readonly final: boolean;
  readonly retryAfterMs: number | undefined;
}

/** Whether a request may be sent again after this. */
export function mayRepeat({ error, final }: Failure, repeatable: boolean): boolean {
  if (final) return false;
  switch (error.kind) {
    case "unreachable":
      return true;
    case "timeout":
    case "broken":
      return repeatable;
    case "status":
      // 429 and 503 say that nothing was done.
      if (error.status === 429 || error.status === 503) return true;
      return repeatable && isServerError(error.status);
    case "protocol":
    case "circuit-open":
    case "unauthenticated":
    default:
      return false;
  }
}

/** Whether it says that the service is in trouble, rather than the request. */
export function isOutage({ kind, status }: ServiceError): boolean {
  if (kind === "status") return isServerError(status);
  return kind === "unreachable" || kind === "timeout" || kind === "broken";
}

function isServerError(status: number | undefined): boolean {
  return status !== undefined && status >= 500;
}

/** Waits that grow, with decorrelated jitter, so that those who failed together do not come back together. */
export function backOff(options: RetryOptions): (failure: Failure) => number {
  const factory = new ExponentialBackoff({
    generator: decorrelatedJitterGenerator,
    initialDelay: options.baseMs,
    maxDelay: options.maxMs,
  });
  // The sleeping is ours: cockatiel's retry cannot be woken by a signal.
  let next: ReturnType<typeof factory.next> | undefined;
  return ({ retryAfterMs }) => {
    next = next === undefined ? factory.next() : next.next(undefined);
    return Math.min(Math.max(next.duration, retryAfterMs ?? 0), options.maxMs);
  };
}

/** `Retry-After`: seconds or a date. */
export function retryAfter(header: string | undefined, now = Date.now()): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
