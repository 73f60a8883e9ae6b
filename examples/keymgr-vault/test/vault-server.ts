import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { KvEngine, type Reply } from "./kv-engine.ts";

export interface Seen {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
}

/** Instead of an answer: nothing, before or after the request was carried out; silence; or another answer. */
export type Fault = "drop-before" | "drop-after" | "hang" | Reply;

export interface ServerOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly mount?: string;
  readonly namespace?: string;
  /** Handed out by AppRole: for how many seconds. */
  readonly leaseSeconds?: number;
}

const denied: Reply = { status: 403, body: { errors: ["permission denied"] } };

/**
 * Not Vault, but a server that answers as Vault's documentation says, and as its source does where that is silent. No package that
 * brings a real one can be installed where these tests run. It may be sealed, a standby, limited, or behind what breaks.
 */
export class VaultServer implements AsyncDisposable {
  readonly engine = new KvEngine();
  readonly seen: Seen[] = [];
  /** By token; none: it may do nothing. */
  readonly policies = new Map<string, readonly string[]>([["root-token", ["root"]]]);
  readonly roles = new Map<string, string>();
  sealed = false;
  readonly #options: ServerOptions;
  readonly #server: http.Server;
  readonly #faults: { readonly fault: Fault; readonly match: (seen: Seen) => boolean; left: number }[] = [];
  #logins = 0;

  private constructor(options: ServerOptions) {
    this.#options = options;
    const listener = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      this.#serve(request, response).catch(() => response.destroy());
    };
    this.#server = options.tls ? https.createServer(options.tls, listener) : http.createServer(listener);
  }

  static async start(options: ServerOptions = {}): Promise<VaultServer> {
    const vault = new VaultServer(options);
    await new Promise<void>((resolve) => vault.#server.listen(0, "127.0.0.1", resolve));
    return vault;
  }

  get url(): string {
    // A server that listens on a port has such an address.
    const { port } = this.#server.address() as AddressInfo;
    return `${this.#options.tls ? "https" : "http"}://127.0.0.1:${port}`;
  }

  /** The next `times` requests that match get it; the answer takes it back. */
  fail(fault: Fault, match: (seen: Seen) => boolean = () => true, times = Infinity): Disposable {
    const entry = { fault, match, left: times };
    this.#faults.push(entry);
    return { [Symbol.dispose]: () => void (entry.left = 0) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    const seen = { method, url, headers };
    this.seen.push(seen);
    const sent = await text(request);
    const entry = this.#faults.find(({ match, left }) => left > 0 && match(seen));
    if (entry) entry.left -= 1;
    const fault = entry?.fault;
    if (fault === "hang") return;
    if (fault === "drop-before") return void request.socket.destroy();
    const answer = typeof fault === "object" ? fault : this.#answer(seen, sent);
    if (fault === "drop-after") return void request.socket.destroy();
    const body = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
    response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
    response.end(answer.status === 204 ? undefined : body);
  }

  #answer({ method, url, headers }: Seen, sent: string): Reply {
    const { pathname, searchParams } = new URL(url, "http://vault");
    const path = decodeURIComponent(pathname.replace(/^\/v1\//, ""));
    if (path === "sys/health") return { status: this.sealed ? 503 : 200, body: { sealed: this.sealed } };
    if (this.sealed) return { status: 503, body: { errors: ["Vault is sealed"] } };
    if (headers["x-vault-request"] !== "true") return { status: 412, body: { errors: ["required header"] } };
    const body: unknown = sent === "" ? undefined : JSON.parse(sent);
    const { mount = "secret", namespace } = this.#options;
    const here = headers["x-vault-namespace"] === namespace;
    if (path === "auth/approle/login" && here) return this.#logIn(body as Record<string, string>);
    const policies = this.policies.get(String(headers["x-vault-token"]));
    if (!policies || !here) return denied;
    if (path === "auth/token/lookup-self") return { status: 200, body: { data: { policies } } };
    if (!policies.includes("root") && !policies.includes("luksmith")) {
      return { status: 403, body: { errors: ["1 error occurred:\n\t* permission denied\n\n"] } };
    }
    if (path.startsWith(`${mount}/`)) {
      return this.engine.handle(method, path.slice(mount.length + 1), searchParams, body);
    }
    return { status: 404, body: { errors: [`no handler for route "${path}". route entry not found.`] } };
  }

  #logIn({ role_id = "", secret_id }: Record<string, string>): Reply {
    if (secret_id === undefined || this.roles.get(role_id) !== secret_id) {
      return { status: 400, body: { errors: ["invalid role or secret ID"] } };
    }
    const client_token = `hvs.role-${++this.#logins}`;
    this.policies.set(client_token, ["default", "luksmith"]);
    return {
      status: 200,
      body: { auth: { client_token, lease_duration: this.#options.leaseSeconds ?? 3600 } },
    };
  }
}
