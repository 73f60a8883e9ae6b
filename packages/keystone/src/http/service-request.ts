import type { OpContext, TokenSource } from "@luksmith/core";
import type { BreakerOptions } from "./circuit.ts";
import type { HttpOptions } from "./http-options.ts";
import type { RetryOptions } from "./repeat.ts";

export interface ServiceClientOptions {
  /** For people and logs: `Barbican`. */
  readonly service: string;
  /** The base URL, without a slash at its end; see `endpointFrom`. Asked for each request. */
  readonly endpoint: (as: TokenSource | undefined, ctx: OpContext) => Promise<string>;
  readonly http: HttpOptions;
  /** Sent as `X-Service-Token` beside the user's token: services then take a user's token that ended meanwhile. */
  readonly serviceToken?: TokenSource | undefined;
  /** Requests and streams under way; others wait. */
  readonly maxConcurrent: number;
  readonly retries: RetryOptions;
  readonly breaker: BreakerOptions;
}

export interface ServiceRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** `/v1/secrets`; the caller encodes. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Whose token is sent; undefined: none. A 401 asks it once for another token, and the request is sent again. */
  readonly as: TokenSource | undefined;
  /** Not for secrets: it becomes a string. */
  readonly json?: unknown;
  /** May hold a secret: never copied into strings, never logged. The caller wipes it when the request has ended. */
  readonly body?: { readonly type: string; readonly bytes: Uint8Array } | undefined;
  /**
   * May it be sent again when nobody knows whether it was carried out? GET, HEAD, PUT and DELETE usually; a POST
   * never. What surely was not carried out is repeated for all: no connection, 429, 503.
   */
  readonly repeatable: boolean;
  /** The statuses that are a success to the caller. Others throw. */
  readonly expect: readonly number[];
  /** Default 1 MiB. Not for streams. */
  readonly maxResponseBytes?: number | undefined;
}
