import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from "node:http";
import https from "node:https";
import type { Readable } from "node:stream";
import { cancelledError } from "@luksmith/core";
import { create } from "axios";
import type { Agents } from "./agents.ts";
import { ExchangeFailure, failureOf, type Stop, stoppedFailure } from "./exchange-failure.ts";
import type { HttpOptions } from "./http-options.ts";

/** One request, ready to be sent. The headers hold tokens, the body may hold a passphrase. */
export interface Call {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string | false>>;
  readonly body: Uint8Array | undefined;
}

const client = create({
  adapter: "http",
  responseType: "stream",
  // Bodies go out and come in as they are: a string of a passphrase could not be wiped.
  transformRequest: [(data: unknown) => data],
  transformResponse: [(data: unknown) => data],
  decompress: false,
  // Every status is an answer; a redirect could carry the token elsewhere.
  validateStatus: null,
  maxRedirects: 0,
  // Nor do *_proxy variables: these are services of the same cloud, and a plain proxy would see the tokens.
  proxy: false,
  maxBodyLength: Infinity,
});

/** One request and its answer: time-outs, cancelling and the connection's state, around axios. */
export class Exchange {
  readonly #options: HttpOptions;
  readonly #signal: AbortSignal;
  #request: ClientRequest | undefined;
  #body: Readable | undefined;
  #connected = false;
  #stop: Stop | undefined;
  #timer: NodeJS.Timeout | undefined;
  #connectTimer: NodeJS.Timeout | undefined;
  readonly #stopped = Promise.withResolvers<never>();
  #status = 0;
  #headers: Readonly<Record<string, string>> = {};

  constructor(options: HttpOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#stopped.promise.catch(() => {});
  }

  get status(): number {
    return this.#status;
  }

  /** Names in lower case. */
  get headers(): Readonly<Record<string, string>> {
    return this.#headers;
  }

  /**
   * Sends and waits for the headers. After that one of `bytes`, `next` or `end` must be called.
   * @throws ExchangeFailure, `Cancelled`
   */
  async open(call: Call, agents: Agents): Promise<void> {
    this.#signal.addEventListener("abort", this.#cancel, { once: true });
    if (this.#signal.aborted) this.#cancel();
    this.arm();
    this.#connectTimer = setTimeout(() => this.#halt("connect-timeout"), this.#options.connectTimeoutMs);
    try {
      const request = client.request<Readable>({
        url: call.url,
        method: call.method,
        headers: { ...call.headers },
        // A view, not a copy. axios takes Buffers only.
        data: call.body && Buffer.from(call.body.buffer, call.body.byteOffset, call.body.length),
        httpAgent: agents.http,
        httpsAgent: agents.https,
        transport: { request: this.#transport },
      });
      // Whatever axios makes of a request that was destroyed: it ends here.
      const answer = await Promise.race([request, this.#stopped.promise]);
      this.#body = answer.data;
      // Whoever reads gets the error; before and after that nobody listens.
      this.#body.on("error", () => {});
      this.#status = answer.status;
      this.#headers = Object.fromEntries(
        Object.entries(answer.headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
      );
    } catch (error) {
      this.end();
      throw this.#failure(error);
    }
    this.#refuseCompressed();
  }

  /**
   * The rest of the answer, at most `limit` bytes of it; the pieces that it came in are wiped.
   * @throws ExchangeFailure, `Cancelled`
   */
  async bytes(limit: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    try {
      for (let piece = await this.next(); piece !== undefined; piece = await this.next()) {
        pieces.push(piece);
        length += piece.length;
        if (length > limit) throw this.#tooLong();
      }
      const whole = new Uint8Array(length);
      let at = 0;
      for (const piece of pieces) {
        whole.set(piece, at);
        at += piece.length;
      }
      return whole;
    } finally {
      for (const piece of pieces) piece.fill(0);
      this.end();
    }
  }

  /** The next piece, or undefined at the end. @throws ExchangeFailure, `Cancelled` */
  async next(): Promise<Uint8Array | undefined> {
    try {
      const iterator = this.#iterator();
      const { value, done } = await iterator.next();
      if (done !== true) return value;
      // A stream that was destroyed without an error ends; that is no end of the answer.
      if (this.#stop !== undefined) throw new Error("stopped");
      this.end();
      return undefined;
    } catch (error) {
      this.end();
      throw this.#failure(error);
    }
  }

  #iterator(): AsyncIterator<Uint8Array, undefined> {
    if (this.#body === undefined) throw new Error("there is no answer");
    this.#reading ??= this.#body[Symbol.asyncIterator]();
    return this.#reading;
  }
  #reading: AsyncIterator<Uint8Array, undefined> | undefined;

  /** Gives the time-out a new start; the old one ends. */
  arm(): void {
    this.disarm();
    this.#timer = setTimeout(() => this.#halt("timeout"), this.#options.timeoutMs);
  }

  disarm(): void {
    clearTimeout(this.#timer);
  }

  /** Lets go of everything. An answer that was not read to its end costs the connection. Idempotent. */
  end(): void {
    this.disarm();
    clearTimeout(this.#connectTimer);
    this.#signal.removeEventListener("abort", this.#cancel);
    if (this.#body === undefined) this.#request?.destroy();
    else if (!this.#body.readableEnded) this.#body.destroy();
  }

  readonly #cancel = (): void => this.#halt("cancelled");

  #halt(why: Stop): void {
    this.#stop ??= why;
    this.#stopped.reject(new Error("stopped"));
    this.#body?.destroy();
    this.#request?.destroy();
  }

  /** In the place of axios' own: the only way to see when the connection is there, that is, when bytes may have left. */
  readonly #transport = (
    options: RequestOptions,
    answered: (answer: IncomingMessage) => void,
  ): ClientRequest => {
    const secure = options.protocol === "https:";
    const request = (secure ? https : http).request(options, answered);
    this.#request = request;
    if (this.#stop !== undefined) request.destroy();
    request.once("socket", (socket) => {
      if (request.reusedSocket) this.#connect();
      else socket.once(secure ? "secureConnect" : "connect", () => this.#connect());
    });
    return request;
  };

  #connect(): void {
    this.#connected = true;
    clearTimeout(this.#connectTimer);
  }

  #refuseCompressed(): void {
    const encoding = this.#headers["content-encoding"] ?? "identity";
    if (encoding === "identity" || encoding === "") return;
    this.end();
    const reason = "answered in a compressed form that nobody asked for";
    throw new ExchangeFailure("protocol", reason, true, true);
  }

  #tooLong(): ExchangeFailure {
    this.#halt("too-long");
    return stoppedFailure("too-long", 0, true);
  }

  #failure(error: unknown): Error {
    if (error instanceof ExchangeFailure) return error;
    if (this.#stop === "cancelled") return cancelledError(this.#signal.reason);
    if (this.#stop === undefined) return failureOf(error, this.#connected);
    const { connectTimeoutMs, timeoutMs } = this.#options;
    const ms = this.#stop === "connect-timeout" ? connectTimeoutMs : timeoutMs;
    return stoppedFailure(this.#stop, ms, this.#connected);
  }
}
