import { LuksmithError, type OpContext } from "@luksmith/core";
import { Agents } from "./agents.ts";
import { Authentication } from "./authentication.ts";
import { Circuit } from "./circuit.ts";
import type { Exchange } from "./exchange.ts";
import { backOff, mayRepeat } from "./repeat.ts";
import { type Outcome, refusedByCircuit, type Sending, sendOnce, unauthenticated } from "./sending.ts";
import type { ServiceClientOptions, ServiceRequest } from "./service-request.ts";
import { type Origin, ServiceResponse } from "./service-response.ts";
import { type ServiceStream, streamOf } from "./service-stream.ts";
import { sleep } from "./sleep.ts";
import { Slots } from "./slots.ts";

const DEFAULT_MAX_BYTES = 1024 * 1024;

/** Makes the result of an answer with an expected status; gives the slot back when the connection is free again. */
type Finish<T> = (exchange: Exchange, origin: Origin, release: () => void) => Promise<T>;

/**
 * Calls one service: bounded concurrency, kept connections, repetitions where they are safe, a circuit breaker for
 * each endpoint, the user's token renewed once after a 401. One for each service and process; share it.
 */
export class ServiceClient implements Disposable {
  readonly #options: ServiceClientOptions;
  readonly #slots: Slots;
  readonly #circuits = new Map<string, Circuit>();
  #agents: Agents | undefined;
  #closed = false;

  constructor(options: ServiceClientOptions) {
    this.#options = options;
    this.#slots = new Slots(options.maxConcurrent);
  }

  /**
   * Sends and reads the whole answer.
   * @throws ServiceError, `Cancelled`, and what the endpoint and the token source throw
   */
  request(request: ServiceRequest, ctx: OpContext): Promise<ServiceResponse> {
    const limit = request.maxResponseBytes ?? DEFAULT_MAX_BYTES;
    return this.#run(request, ctx, async (exchange, origin, release) => {
      const { status, headers } = exchange;
      const bytes = await exchange.bytes(limit);
      release();
      return new ServiceResponse({ status, headers, bytes }, origin);
    });
  }

  /**
   * Sends and waits for the headers; the same rules until then. The body is read as it is iterated, once; a failure
   * in it is a ServiceError or `Cancelled`, and nothing is repeated. Until the body ends, or its `return` is called,
   * it holds a connection and one of `maxConcurrent`.
   */
  stream(request: ServiceRequest, ctx: OpContext): Promise<ServiceStream> {
    return this.#run(request, ctx, (exchange, origin, release) =>
      Promise.resolve(streamOf(exchange, origin, release)),
    );
  }

  /** Closes all connections; what is under way fails. Idempotent. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#agents?.[Symbol.dispose]();
  }

  async #run<T>(request: ServiceRequest, ctx: OpContext, finish: Finish<T>): Promise<T> {
    const { retries, serviceToken } = this.#options;
    const base = await this.#options.endpoint(request.as, ctx);
    const body = bodyOf(request);
    const delay = backOff(retries);
    const auth = new Authentication(request.as, serviceToken);
    for (let attempt = 1, sendings = 1; ; sendings += 1) {
      const origin = { ...this.#origin(request, base), attempts: sendings };
      const outcome = await this.#once({ request, origin, body }, auth, ctx, finish);
      if ("value" in outcome) return outcome.value;
      const { failure } = outcome;
      if (failure.error.status === 401 && request.as !== undefined) {
        if (await auth.renew(ctx)) continue;
        throw unauthenticated(failure.error, auth.renewed);
      }
      if (attempt >= retries.attempts || !mayRepeat(failure, request.repeatable)) throw failure.error;
      attempt += 1;
      await sleep(delay(failure), ctx);
    }
  }

  /** One sending, in a slot and behind its endpoint's circuit breaker. */
  async #once<T>(
    sending: Pick<Sending, "request" | "origin" | "body">,
    auth: Authentication,
    ctx: OpContext,
    finish: Finish<T>,
  ): Promise<Outcome<T>> {
    const release = await this.#slots.take(ctx);
    let held = false;
    try {
      const ready = { ...sending, http: this.#options.http, agents: this.#connections() };
      const tokens = await auth.tokens(ctx);
      const outcome = await this.#circuit(sending.origin.url).run<Outcome<T>>(
        () => sendOnce({ ...ready, tokens }, ctx, (exchange) => finish(exchange, sending.origin, release)),
        (why) => refusedByCircuit(sending.origin, why),
      );
      // A stream keeps the slot and gives it back itself.
      held = "value" in outcome;
      return outcome;
    } finally {
      if (!held) release();
    }
  }

  #origin(request: ServiceRequest, base: string): Origin {
    const url = URL.parse(base + request.path);
    if (url === null) throw noUrl(this.#options.service, base);
    url.username = "";
    url.password = "";
    url.search = "";
    return { service: this.#options.service, method: request.method, url: url.href, attempts: 1 };
  }

  #circuit(url: string): Circuit {
    const { origin } = new URL(url);
    const circuit = this.#circuits.get(origin) ?? new Circuit(this.#options.breaker);
    this.#circuits.set(origin, circuit);
    return circuit;
  }

  #connections(): Agents {
    if (this.#closed) {
      throw new LuksmithError("InternalError", `the client of ${this.#options.service} was closed already`);
    }
    this.#agents ??= new Agents(this.#options.http);
    return this.#agents;
  }
}

function noUrl(service: string, base: string): LuksmithError {
  const message = `the endpoint of ${service} is no URL; correct it in the configuration or the catalog`;
  return new LuksmithError("EndpointNotFound", message, { details: { service, endpoint: base } });
}

function bodyOf(request: ServiceRequest): Uint8Array | undefined {
  if (request.body !== undefined) return request.body.bytes;
  return request.json === undefined ? undefined : Buffer.from(JSON.stringify(request.json));
}
