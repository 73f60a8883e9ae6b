import { mkdtemp, rm } from "node:fs/promises";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Fault } from "./faults.ts";
import { carryOut } from "./carry-out.ts";
import { makePrivateCa, type PrivateCa } from "./private-ca.ts";

/** One request that came; of its headers only the names, so that no token is kept. */
export interface SeenRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headerNames: readonly string[];
  /** How often this method and path (without the query) came before. */
  readonly earlier: number;
}

export type Rule = (request: SeenRequest) => Fault | undefined;

export interface FaultProxyOptions {
  /** Serve https, with a certificate that only `caFile` vouches for. Names: subjectAltName as OpenSSL writes it. */
  readonly tls?: boolean | { readonly names: string };
}

/** A reverse proxy before one server, on a port of its own; it does to each request what the rules say. */
export class FaultProxy implements AsyncDisposable {
  readonly #server: http.Server;
  readonly #directory: string | undefined;
  readonly #seen: SeenRequest[] = [];
  readonly #rules: Rule[] = [];
  readonly #waiting = new Set<(request: SeenRequest) => void>();
  /** Where clients go instead of to the target; without a slash at the end. */
  readonly url: string;
  /** What clients of an https proxy must trust. */
  readonly caFile: string | undefined;

  private constructor(server: http.Server, target: URL, directory?: string, ca?: PrivateCa) {
    this.#server = server;
    this.#directory = directory;
    this.caFile = ca?.caFile;
    // A server that listens on a port has such an address.
    const { port } = server.address() as AddressInfo;
    const path = target.pathname.replace(/\/$/, "");
    this.url = `${ca === undefined ? "http" : "https"}://127.0.0.1:${port}${path}`;
    server.on("request", (request, response) => void this.#handle(request, response, target));
  }

  /**
   * Starts one. A path of the target, such as Keystone's `/v3`, is in `url` too; requests for other paths are passed on
   * as well.
   */
  static async start(target: string, { tls = false }: FaultProxyOptions = {}): Promise<FaultProxy> {
    let directory: string | undefined;
    let ca: PrivateCa | undefined;
    if (tls !== false) {
      directory = await mkdtemp(join(tmpdir(), "luksmith-proxy-"));
      ca = await makePrivateCa(directory, tls === true ? undefined : tls.names);
    }
    const server =
      ca === undefined ? http.createServer() : https.createServer({ cert: ca.cert, key: ca.key });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    return new FaultProxy(server, new URL(target), directory, ca);
  }

  /** Adds a rule; of several, the first added that returns a fault decides. Returns what removes it. */
  on(rule: Rule): () => void {
    this.#rules.push(rule);
    return () => {
      const at = this.#rules.indexOf(rule);
      if (at !== -1) this.#rules.splice(at, 1);
    };
  }

  /** This fault for the first `times` requests that match; the others are passed on. */
  next(fault: Fault, matches: (request: SeenRequest) => boolean = () => true, times = 1): () => void {
    let left = times;
    return this.on((request) => {
      if (left === 0 || !matches(request)) return;
      left -= 1;
      return fault;
    });
  }

  /** Forgets rules and requests. Requests that hang go on hanging. */
  reset(): void {
    this.#rules.length = 0;
    this.#seen.length = 0;
  }

  /** All that came, in order. */
  get requests(): readonly SeenRequest[] {
    return this.#seen;
  }

  /** How many of a method have come, or of all. */
  count(method?: string): number {
    return this.#seen.filter((request) => method === undefined || request.method === method).length;
  }

  /** Returns once a request that matches has come, or has come before. Does nothing about time. */
  async saw(matches: (request: SeenRequest) => boolean): Promise<SeenRequest> {
    const before = this.#seen.find(matches);
    if (before !== undefined) return before;
    return new Promise((resolve) => {
      const look = (request: SeenRequest) => {
        if (!matches(request)) return;
        this.#waiting.delete(look);
        resolve(request);
      };
      this.#waiting.add(look);
    });
  }

  /** Closes all connections too. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => {
      this.#server.close(resolve);
    });
    this.#server.closeAllConnections();
    await closed;
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
  }

  async #handle(request: IncomingMessage, response: ServerResponse, target: URL): Promise<void> {
    const { method = "GET", url: path = "/" } = request;
    const headerNames = Object.keys(request.headers);
    const earlier = this.#seen.filter(
      (each) => each.method === method && bare(each.path) === bare(path),
    ).length;
    const seen = { method, path, headerNames, earlier };
    this.#seen.push(seen);
    for (const look of this.#waiting) look(seen);
    const fault = this.#rules.reduce<Fault | undefined>((found, rule) => found ?? rule(seen), undefined);
    try {
      await carryOut(fault, request, response, target);
    } catch {
      // The client is gone, or the server is: either way this connection is over.
      response.destroy();
    }
  }
}

function bare(path: string): string {
  return path.split("?")[0] ?? path;
}
