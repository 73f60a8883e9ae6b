import type { OutgoingHttpHeaders } from "node:http";

/** What the proxy does to a request instead of passing it on and back. */
export type Fault =
  | { readonly kind: "delay"; readonly ms: number }
  | {
      readonly kind: "status";
      readonly status: number;
      readonly body: string;
      readonly headers: OutgoingHttpHeaders;
    }
  | { readonly kind: "hang" | "drop-before" | "drop-after" }
  | { readonly kind: "cut" | "stall" | "corrupt"; readonly bytes: number };

const JSON_TYPE = { "content-type": "application/json" };

/** The server takes `ms` milliseconds longer. */
export const delay = (ms: number): Fault => ({ kind: "delay", ms });

/** An answer of the proxy's own; the server never hears of the request. */
export const status = (code: number, body = "", headers: OutgoingHttpHeaders = {}): Fault => ({
  kind: "status",
  status: code,
  body,
  headers,
});

/** What a load balancer says while nobody is behind it: 502, HTML. */
export const badGateway = (): Fault =>
  status(502, "<html><body><h1>502 Bad Gateway</h1></body></html>", { "content-type": "text/html" });

/** What the services say to a token that they do not accept. */
export const unauthorized = (): Fault =>
  status(
    401,
    JSON.stringify({
      error: {
        code: 401,
        title: "Unauthorized",
        message: "The request you have made requires authentication.",
      },
    }),
    { ...JSON_TYPE, "www-authenticate": 'Keystone uri="http://127.0.0.1/v3"' },
  );

/** 200 that says JSON and is not, by default because it ends too soon. */
export const garbage = (body = '{"secret_ref": "http:'): Fault => status(200, body, JSON_TYPE);

/** Never answers; the server never hears of the request. */
export const hang = (): Fault => ({ kind: "hang" });

/** Closes the connection; the server never hears of the request. */
export const dropBefore = (): Fault => ({ kind: "drop-before" });

/** The server does its work; then the connection closes without an answer: the lost answer. */
export const dropAfter = (): Fault => ({ kind: "drop-after" });

/** The status, the headers and the first `bytes` bytes of the body arrive, then the connection closes. */
export const cut = (bytes: number): Fault => ({ kind: "cut", bytes });

/** As `cut`, but the connection stays open and silent. */
export const stall = (bytes: number): Fault => ({ kind: "stall", bytes });

/** The byte at this offset of the body arrives with all its bits turned. */
export const corrupt = (offset: number): Fault => ({ kind: "corrupt", bytes: offset });
