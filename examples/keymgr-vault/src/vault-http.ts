import http from "node:http";
import https from "node:https";
import { cancelledError, type OpContext } from "@luksmith/core";

export interface VaultRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** After `/v1/`; a query may follow. Never a secret: paths are logged everywhere. */
  readonly path: string;
  /** JSON; wiped by whoever made it. */
  readonly body?: Uint8Array;
  readonly token?: string;
}

export interface VaultAnswer {
  readonly status: number;
  /** Wiped by whoever asked, if a secret is in it. */
  readonly bytes: Uint8Array;
  readonly retryAfterMs: number | undefined;
}

/** No answer, or not a whole one: the request may have been carried out all the same. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
  readonly reason: "unreachable" | "timeout" | "protocol";

  constructor(reason: NoAnswer["reason"], message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

export interface HttpOptions {
  /** Without `/v1`. */
  readonly url: string;
  readonly namespace?: string | undefined;
  /** PEM. */
  readonly ca?: string | undefined;
  readonly timeoutMs: number;
  readonly maxConcurrent: number;
}

/** Far above what a secret of ours takes. */
const MAX_BYTES = 1 << 20;
/** A standby that does not forward sends its clients to the active node. */
const REDIRECTS = new Set([307, 308]);

/** Vault's HTTP, one request at a time; nothing is repeated here. */
export class VaultHttp {
  readonly #options: HttpOptions;
  readonly #agents: { readonly http: http.Agent; readonly https: https.Agent };

  constructor(options: HttpOptions) {
    this.#options = options;
    const { maxConcurrent: maxSockets, ca } = options;
    this.#agents = {
      http: new http.Agent({ keepAlive: true, maxSockets }),
      https: new https.Agent({ keepAlive: true, maxSockets, ...(ca === undefined ? {} : { ca }) }),
    };
  }

  /** @throws `NoAnswer`, `Cancelled` */
  async request(request: VaultRequest, ctx: OpContext): Promise<VaultAnswer> {
    const limit = AbortSignal.timeout(this.#options.timeoutMs);
    const signal = AbortSignal.any([ctx.signal, limit]);
    try {
      const first = new URL(`${this.#options.url}/v1/${request.path}`);
      const { location, ...answer } = await this.#send(first, request, signal);
      if (location === undefined) return answer;
      const { location: further, ...last } = await this.#send(this.#follow(first, location), request, signal);
      if (further === undefined) return last;
      throw new NoAnswer("protocol", "it was redirected twice");
    } catch (error) {
      if (ctx.signal.aborted) throw cancelledError(ctx.signal.reason);
      if (limit.aborted) {
        throw new NoAnswer("timeout", `it did not answer within ${this.#options.timeoutMs / 1000} s`, error);
      }
      if (error instanceof NoAnswer) throw error;
      throw new NoAnswer("unreachable", error instanceof Error ? error.message : String(error), error);
    }
  }

  close(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  /** The token goes along, so never from https to http, and only for the same request. */
  #follow(from: URL, location: string): URL {
    const to = URL.parse(location, from.href);
    if (to && (to.protocol === "https:" || to.protocol === from.protocol) && to.pathname === from.pathname) {
      return to;
    }
    throw new NoAnswer("protocol", "it was redirected to somewhere else than this path, or without TLS");
  }

  #send(url: URL, request: VaultRequest, signal: AbortSignal): Promise<VaultAnswer & { location?: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<VaultAnswer & { location?: string }>();
    const secure = url.protocol === "https:";
    const { body, token } = request;
    const { namespace } = this.#options;
    const sent = (secure ? https : http).request(url, {
      method: request.method,
      agent: secure ? this.#agents.https : this.#agents.http,
      signal,
      headers: {
        // Proof against requests forged through a browser or a proxy; some servers insist.
        "X-Vault-Request": "true",
        ...(namespace === undefined ? {} : { "X-Vault-Namespace": namespace }),
        ...(token === undefined ? {} : { "X-Vault-Token": token }),
        ...(body ? { "Content-Type": "application/json", "Content-Length": body.length } : {}),
      },
    });
    sent.once("error", reject);
    sent.once("response", (response) => {
      const { statusCode: status = 0, headers } = response;
      const retryAfter = Number(headers["retry-after"]);
      const retryAfterMs = retryAfter > 0 ? retryAfter * 1000 : undefined;
      const { location } = headers;
      const redirect = REDIRECTS.has(status) && location !== undefined ? { location } : {};
      collect(response).then((bytes) => resolve({ status, bytes, retryAfterMs, ...redirect }), reject);
    });
    sent.end(body);
    return promise;
  }
}

/** Into memory of its own; what it came in is wiped. */
async function collect(response: http.IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_BYTES) throw new NoAnswer("protocol", `it answered more than ${MAX_BYTES} bytes`);
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  } finally {
    for (const chunk of chunks) chunk.fill(0);
  }
}
