import { createHash, randomBytes, randomUUID } from "node:crypto";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeImage {
  readonly metadata: Record<string, unknown>;
  readonly bytes: Buffer;
}

/** What a server does with a request for bytes instead of its duty; undefined: its duty. */
export type DataRule = (request: IncomingMessage, response: ServerResponse, nth: number) => boolean;

/**
 * Glance as far as it answers here, for what the real one never does: a server without ranges, one that sends too much,
 * one of the wrong range. Notes each request.
 */
export class FakeGlance implements AsyncDisposable {
  readonly #server: http.Server;
  readonly images = new Map<string, FakeImage>();
  readonly metadataRequests: string[] = [];
  /** The Range header of each request for bytes. */
  readonly ranges: (string | undefined)[] = [];
  rule: DataRule = () => false;
  /** Answers metadata requests if it returns true. */
  metadataRule: DataRule = () => false;

  private constructor(server: http.Server) {
    this.#server = server;
    server.on("request", (request, response) => this.#answer(request, response));
  }

  static async start(): Promise<FakeGlance> {
    const server = http.createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    return new FakeGlance(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A raw image of random bytes. */
  add(size: number, fields: Record<string, unknown> = {}): FakeImage & { readonly id: string } {
    const bytes = randomBytes(size);
    const id = randomUUID();
    const metadata = {
      id,
      status: "active",
      size,
      disk_format: "raw",
      container_format: "bare",
      checksum: createHash("md5").update(bytes).digest("hex"),
      os_hash_algo: "sha512",
      os_hash_value: createHash("sha512").update(bytes).digest("hex"),
      ...fields,
    };
    const image = { metadata, bytes };
    this.images.set(id, image);
    return { ...image, id };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [, id = "", file] = /^\/v2\/images\/([^/]+)(\/file)?$/.exec(request.url ?? "") ?? [];
    const image = this.images.get(id);
    if (file === undefined) {
      this.metadataRequests.push(id);
      if (this.metadataRule(request, response, this.metadataRequests.length)) return;
    } else {
      this.ranges.push(request.headers.range);
      if (this.rule(request, response, this.ranges.length)) return;
    }
    if (!image) {
      response
        .writeHead(404, { "content-type": "text/html" })
        .end("<html><title>404 Not Found</title></html>");
      return;
    }
    if (file === undefined) {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(image.metadata));
      return;
    }
    sendRange(request, response, image.bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => {
      this.#server.close(resolve);
    });
    this.#server.closeAllConnections();
    await closed;
  }
}

/** The whole, or from where the request says. */
export function sendRange(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
  until = bytes.length,
): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? "0");
  const headers = { "content-type": "application/octet-stream", "content-length": bytes.length - from };
  if (from === 0) response.writeHead(200, headers);
  else
    response.writeHead(206, {
      ...headers,
      "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
    });
  const part = bytes.subarray(from, until);
  if (until === bytes.length) response.end(part);
  else response.write(part, () => response.destroy());
}
