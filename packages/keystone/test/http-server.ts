import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export type Handler = (answer: ServerResponse, request: Seen, earlier: number) => void;

/** A peer for the client: answers as `handler` says, once the whole request is there. */
export class HttpServer implements AsyncDisposable {
  readonly url: string;
  readonly seen: Seen[] = [];
  /** Connections that were made, also those that are closed. */
  readonly connections: Socket[] = [];
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(handler: Handler): Promise<HttpServer> {
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        const { method = "", url = "", headers } = request;
        const seen = { method, path: url, headers, body: Buffer.concat(pieces) };
        started.seen.push(seen);
        handler(response, seen, started.seen.length - 1);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const started = new HttpServer(server);
    server.on("connection", (socket) => started.connections.push(socket));
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

export function sendJson(answer: ServerResponse, status: number, body: unknown, headers = {}): void {
  answer.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** An address where nobody listens. */
export async function closedPort(): Promise<string> {
  await using server = await HttpServer.start(() => {});
  return server.url;
}

/** Waits until `condition` holds; the test's own time-out ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
