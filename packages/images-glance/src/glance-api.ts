import { type OpContext, type TokenSource } from "@luksmith/core";
import { ServiceError, type ServiceClient } from "@luksmith/keystone";
import { glanceError, isPassing } from "./glance-error.ts";
import { GlanceImage } from "./glance-image.ts";
import { backOff } from "./back-off.ts";

/** An image's bytes on their way. */
export interface ImageData {
  /** Where they begin: as asked for, or 0 from a server that gives only the whole. */
  readonly start: bigint;
  readonly body: AsyncIterableIterator<Uint8Array>;
}

/** Glance v2, at one or more servers that have the same images. */
export class GlanceApi implements Disposable {
  readonly #servers: readonly ServiceClient[];
  /** How often something is tried again: `[glance] num_retries`, but each server is asked once. */
  readonly retries: number;
  /** The one that answered last. */
  #preferred = 0;

  readonly #accounts: readonly Disposable[];

  /**
   * @param servers tried in this order, at least one; owned, and each of them tries once
   * @param accounts what they log in with; owned, too
   */
  constructor(servers: readonly ServiceClient[], retries: number, accounts: readonly Disposable[] = []) {
    this.#servers = servers;
    this.#accounts = accounts;
    this.retries = Math.max(retries, servers.length - 1);
  }

  /** @throws `ImageNotFound`, `PermissionDenied`, `TokenRefused`, `ServiceRefused`, `ImageServiceUnavailable` */
  async image(id: string, as: TokenSource, ctx: OpContext): Promise<GlanceImage> {
    for (let attempt = 0, first = this.#preferred; ; attempt++) {
      try {
        const image = await this.#image(id, as, first + attempt, ctx);
        this.#preferred = (first + attempt) % this.#servers.length;
        return image;
      } catch (error) {
        if (attempt >= this.retries || !isPassing(error)) throw glanceError(error, id, "looking for");
        const tried = attempt + 1;
        // Another server can be asked at once.
        if (tried % this.#servers.length === 0) await backOff(tried / this.#servers.length, ctx);
      }
    }
  }

  /**
   * Asks once for the bytes from `start` on.
   * @param attempt says which server
   * @throws `ServiceError`
   */
  async data(
    id: string,
    start: bigint,
    as: TokenSource,
    attempt: number,
    ctx: OpContext,
  ): Promise<ImageData> {
    const path = `/v2/images/${encodeURIComponent(id)}/file`;
    const { status, headers, body } = await this.#server(this.#preferred + attempt).stream(
      {
        method: "GET",
        path,
        // Compressed on the way, a range would be one of other bytes.
        headers: {
          accept: "application/octet-stream",
          "accept-encoding": "identity",
          ...(start > 0n ? { range: `bytes=${start}-` } : {}),
        },
        as,
        repeatable: true,
        expect: [200, 206],
      },
      ctx,
    );
    if (status === 206 && rangeStart(headers["content-range"]) !== start) {
      await body.return?.();
      throw protocolError(path, status, "answered with another range than it was asked for");
    }
    return { start: status === 206 ? start : 0n, body };
  }

  async #image(id: string, as: TokenSource, server: number, ctx: OpContext): Promise<GlanceImage> {
    const path = `/v2/images/${encodeURIComponent(id)}`;
    const response = await this.#server(server).request(
      { method: "GET", path, headers: { accept: "application/json" }, as, repeatable: true, expect: [200] },
      ctx,
    );
    const image = response.json(GlanceImage);
    if (image.id !== id) throw protocolError(path, response.status, "answered with another image");
    return image;
  }

  [Symbol.dispose](): void {
    for (const each of [...this.#servers, ...this.#accounts]) each[Symbol.dispose]();
  }

  #server(index: number): ServiceClient {
    const server = this.#servers[index % this.#servers.length];
    if (!server) throw new Error("there is at least one server");
    return server;
  }
}

/** `bytes 100-199/200`; undefined: none, or another unit. */
function rangeStart(range: string | undefined): bigint | undefined {
  const start = /^bytes (\d{1,18})-\d{1,18}\/(?:\d{1,18}|\*)$/.exec(range ?? "")?.[1];
  return start === undefined ? undefined : BigInt(start);
}

function protocolError(url: string, status: number, reason: string): ServiceError {
  const fields = { service: "Glance", method: "GET", attempts: 1, maybeDone: false };
  return new ServiceError({ kind: "protocol", url, status, reason, ...fields });
}
