import { LuksmithError, type OpContext, type Passphrase } from "@luksmith/core";
import type { ServiceRequest } from "./service-request.ts";

/** oslo.middleware takes no other form, and then makes one of its own. */
const REQUEST_ID = /^req-[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** The tokens that go with a request. */
export interface Tokens {
  readonly user: Passphrase | undefined;
  readonly service: Passphrase | undefined;
}

/** Made for one sending and dropped after it: tokens are strings in here. */
export function requestHeaders(
  request: ServiceRequest,
  tokens: Tokens,
  ctx: OpContext,
): Record<string, string | false> {
  return {
    accept: "application/json",
    "user-agent": "luksmith",
    "accept-encoding": "identity",
    ...(REQUEST_ID.test(ctx.requestId) ? { "x-openstack-request-id": ctx.requestId } : {}),
    ...lowerCase(request.headers ?? {}),
    // false: axios would otherwise call a body that is not there a form.
    "content-type": request.body?.type ?? (request.json === undefined ? false : "application/json"),
    ...(tokens.user === undefined ? {} : { "x-auth-token": headerValue(tokens.user) }),
    ...(tokens.service === undefined ? {} : { "x-service-token": headerValue(tokens.service) }),
  };
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/**
 * A token as a string. It cannot be helped: Node writes headers from strings. It lives until the request has ended
 * and the collector came by; nothing else refers to it.
 * @throws `TokenRefused` for what cannot be a token: a line break in it would be another header
 */
export function headerValue(token: Passphrase): string {
  return token.use((bytes) => {
    if (bytes.some((byte) => byte < 0x21 || byte > 0x7e)) {
      throw new LuksmithError(
        "TokenRefused",
        "the token holds characters that no token has (a blank or a line break?); pass it without them",
      );
    }
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  });
}
