import type { Server } from "node:http";
import type { Socket } from "node:net";
import { LuksmithError } from "@luksmith/core/host";
import { errorAnswer } from "./answers.ts";

/** Whoever is on the other side of the socket is on this host: what takes longer is stuck, or means no good. */
export interface ConnectionLimits {
  /** Ms for a request's headers, from the connection on. */
  readonly headersMs: number;
  /** Ms for all of a request. */
  readonly requestMs: number;
  /** Ms between two requests on one connection. */
  readonly idleMs: number;
  /** Ms after which a client that takes nothing of what it is sent is cut off. */
  readonly stalledMs: number;
  readonly connections: number;
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 60_000,
  stalledMs: 30_000,
  connections: 1024,
};

/** fastify's and node's limits for requests that come slowly or not at all. */
export function httpLimits({ headersMs, requestMs, idleMs }: ConnectionLimits) {
  return {
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    http: { headersTimeout: headersMs, connectionsCheckingInterval: 1000, maxHeaderSize: 32 * 1024 },
    clientErrorHandler: refuseUnparsed,
  };
}

/** Bounds the number of connections, and cuts off clients that do not read; those that wait for an answer may wait. */
export function guardConnections(server: Server, { connections, stalledMs }: ConnectionLimits): void {
  const working = new WeakMap<Socket, number>();
  const count = (socket: Socket, by: number): void =>
    void working.set(socket, (working.get(socket) ?? 0) + by);
  server.maxConnections = connections;
  server.on("request", ({ socket }, response) => {
    count(socket, 1);
    response.once("close", () => count(socket, -1));
  });
  server.setTimeout(stalledMs);
  // With a listener, node leaves it to us to close a socket on which nothing has moved, also between two requests.
  server.on("timeout", (socket: Socket) => {
    if (!working.get(socket) || socket.writableLength > 0) socket.destroy();
  });
}

const REASONS: Readonly<Record<string, { status: number; reason: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, reason: "Request Timeout" },
  HPE_HEADER_OVERFLOW: { status: 431, reason: "Request Header Fields Too Large" },
};

/** What is no HTTP, or took too long to become some. */
function refuseUnparsed(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, reason } = REASONS[error.code ?? ""] ?? { status: 400, reason: "Bad Request" };
  const { body } = errorAnswer(new LuksmithError("InvalidRequest", `this is no request: ${reason}`));
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
