import { isLuksmithError, type OpContext } from "@luksmith/core";
import type { Agents } from "./agents.ts";
import type { OpenCircuit, Tried } from "./circuit.ts";
import { errorText } from "./error-text.ts";
import { Exchange } from "./exchange.ts";
import { ExchangeFailure } from "./exchange-failure.ts";
import type { HttpOptions } from "./http-options.ts";
import { type Failure, isOutage, retryAfter } from "./repeat.ts";
import { requestHeaders, type Tokens } from "./request-headers.ts";
import { ServiceError } from "./service-error.ts";
import type { ServiceRequest } from "./service-request.ts";
import { type Origin, serviceRequestId } from "./service-response.ts";
import { withoutEcho } from "./without-echo.ts";

/** Longer error bodies are cut: only a few words are wanted. */
const ERROR_BYTES = 256 * 1024;

/** One request with everything that is needed to send it once. */
export interface Sending {
  readonly request: ServiceRequest;
  readonly origin: Origin;
  readonly body: Uint8Array | undefined;
  readonly tokens: Tokens;
  readonly http: HttpOptions;
  readonly agents: Agents;
}

/** What one sending came to. */
export type Outcome<T> = Tried & ({ readonly value: T } | { readonly failure: Failure });

/**
 * Sends once.
 * @param finish makes the value from an answer with an expected status
 * @throws `Cancelled`, `TokenRefused`
 */
export async function sendOnce<T>(
  sending: Sending,
  ctx: OpContext,
  finish: (exchange: Exchange) => Promise<T>,
): Promise<Outcome<T>> {
  const { request, origin, body, http } = sending;
  const exchange = new Exchange(http, ctx.signal);
  const began = performance.now();
  const fields = () => ({ ...origin, ms: Math.round(performance.now() - began) });
  try {
    const headers = requestHeaders(request, sending.tokens, ctx);
    const url = origin.url + queryOf(request);
    await exchange.open({ url, method: request.method, headers, body }, sending.agents);
    const id = serviceRequestId(exchange.headers);
    ctx.log.debug({ ...fields(), status: exchange.status, serviceRequestId: id }, "a service answered");
    if (request.expect.includes(exchange.status)) return { value: await finish(exchange) };
    return failed(await unexpected(exchange, sending, headers));
  } catch (error) {
    if (!(error instanceof ExchangeFailure)) throw error;
    ctx.log.debug({ ...fields(), kind: error.kind, reason: error.message }, "a service did not answer");
    return failed({ error: exchangeError(error, origin), final: error.final, retryAfterMs: undefined });
  }
}

function failed(failure: Failure): { readonly failure: Failure } & Tried {
  return { failure, outage: isOutage(failure.error) ? failure.error.message : undefined };
}

/** An answer with another status than was expected. */
async function unexpected(
  exchange: Exchange,
  { request, origin }: Sending,
  sent: Readonly<Record<string, string | false>>,
): Promise<Failure> {
  const { status, headers } = exchange;
  const { title, detail } = errorText(await errorBody(exchange));
  // What was sent, and not the token's owner: it may have wiped the token meanwhile.
  const secrets = [sent["x-auth-token"], sent["x-service-token"]]
    .map((token): Uint8Array => Buffer.from(token || ""))
    .concat(request.body?.bytes ?? []);
  const clean = (text: string | undefined) => {
    let said = text;
    for (const bytes of secrets) said = withoutEcho(said, bytes);
    return said;
  };
  const error = new ServiceError({
    ...origin,
    kind: "status",
    reason: `answered ${status}`,
    status,
    title: clean(title),
    detail: clean(detail),
    serviceRequestId: serviceRequestId(headers),
    // 503 says that nothing was done. Other trouble may have come after the work.
    maybeDone: status >= 500 && status !== 503,
  });
  return { error, final: false, retryAfterMs: retryAfter(headers["retry-after"]) };
}

/** An error's words are a help; that they are cut or too long does not change the status. */
async function errorBody(exchange: Exchange): Promise<Uint8Array> {
  try {
    return await exchange.bytes(ERROR_BYTES);
  } catch (error) {
    if (isLuksmithError(error)) throw error;
    return new Uint8Array();
  }
}

export function exchangeError(failure: ExchangeFailure, origin: Origin): ServiceError {
  return new ServiceError({
    ...origin,
    kind: failure.kind,
    reason: failure.message,
    maybeDone: failure.sent,
  });
}

/** Nothing was sent. */
export function refusedByCircuit(origin: Origin, why: OpenCircuit): { readonly failure: Failure } {
  const since = why.since.toISOString();
  const error = new ServiceError({
    ...origin,
    kind: "circuit-open",
    reason: `has failed since ${since} and is left alone for a while, last because: ${why.reason}`,
    maybeDone: false,
  });
  return { failure: { error, final: true, retryAfterMs: undefined } };
}

/** 401 to the end: the same error under the name that says so. */
export function unauthenticated(error: ServiceError, renewed: boolean): ServiceError {
  const { service, method, url, attempts, status, title, detail, serviceRequestId: id } = error;
  const reason = renewed ? "refused a new token as well (401)" : "refused the token (401)";
  const origin = { service, method, url, attempts };
  return new ServiceError({
    ...origin,
    kind: "unauthenticated",
    reason,
    status,
    title,
    detail,
    serviceRequestId: id,
    maybeDone: false,
  });
}

function queryOf({ query }: ServiceRequest): string {
  if (query === undefined) return "";
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) pairs.append(name, String(value));
  return pairs.size === 0 ? "" : `?${pairs.toString()}`;
}
