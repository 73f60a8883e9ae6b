import type { HeaderWrite, OpContext } from "@luksmith/core";
import type { RbdCluster } from "./rbd-cluster.ts";
import type { Slot, Window } from "./window.ts";

/** Bytes of an image at `offset`, and where they are in the window. */
export type Part = readonly [offset: number, at: number, length: number];

/** An image that librbd has open. Disposal closes it, whatever was cancelled. */
export class OpenImage implements AsyncDisposable {
  readonly id: string;
  readonly window: Window;
  readonly #cluster: RbdCluster;
  readonly #handle: string;
  readonly #what: string;
  readonly #ctx: OpContext;
  #closed = false;

  private constructor(
    cluster: RbdCluster,
    window: Window,
    { id, handle }: { readonly id: string; readonly handle: string },
    what: string,
    ctx: OpContext,
  ) {
    this.id = id;
    this.window = window;
    this.#cluster = cluster;
    this.#handle = handle;
    this.#what = what;
    this.#ctx = ctx;
  }

  static async open(
    cluster: RbdCluster,
    name: string,
    { what, readOnly = false }: { readonly what: string; readonly readOnly?: boolean },
    ctx: OpContext,
  ): Promise<{ readonly image: OpenImage; readonly size: number }> {
    const window = await cluster.window(ctx);
    const opened = await cluster.call<{ id: string; handle: string; size: number }>(
      "open",
      { name, readOnly },
      { what },
      ctx,
    );
    return { image: new OpenImage(cluster, window, opened, what, ctx), size: opened.size };
  }

  /**
   * Makes an image, with these bytes in it, in one request.
   * @returns also bytes after which its objects repeat
   */
  static async create(
    cluster: RbdCluster,
    { name, size, writes }: { name: string; size: bigint; writes: readonly HeaderWrite[] },
    what: string,
    ctx: OpContext,
  ): Promise<{ readonly image: OpenImage; readonly period: number }> {
    const window = await cluster.window(ctx);
    using slot = await window.take();
    const parts: Part[] = [];
    let at = slot.at;
    for (const { offset, bytes } of writes) {
      await window.put(at, bytes);
      parts.push([offset, at, bytes.length]);
      at += bytes.length;
    }
    const args = { name, size: Number(size), writes: parts, ...cluster.newLayout };
    const made = await cluster.call<{ id: string; handle: string; period: number }>(
      "create",
      args,
      { what },
      ctx,
    );
    return { image: new OpenImage(cluster, window, made, what, ctx), period: made.period };
  }

  /** Bytes that are in the window into the image. `sparse`: parts of nothing but zeros are left out. */
  async write(parts: readonly Part[], { sparse = false } = {}, ctx: OpContext = this.#ctx): Promise<void> {
    await this.#call("write", { parts, sparse }, ctx);
  }

  /** Bytes of the image into the window. */
  async read(parts: readonly Part[], ctx: OpContext = this.#ctx): Promise<void> {
    await this.#call("read", { parts }, ctx);
  }

  async flush(ctx: OpContext = this.#ctx): Promise<void> {
    await this.#call("flush", {}, ctx);
  }

  /** Makes a part of a clone, that was its parent's, its own. */
  async own(offset: number, length: number, ctx: OpContext = this.#ctx): Promise<void> {
    await this.#call("own", { offset, length }, ctx);
  }

  /** Cuts a clone off its parent. Quick where all parts are its own. */
  async detach(timeoutMs: number, ctx: OpContext = this.#ctx): Promise<void> {
    await this.#cluster.call("detach", { handle: this.#handle }, { what: this.#what, timeoutMs }, ctx);
  }

  /** A place in the window. */
  take(): Promise<Slot> {
    return this.window.take();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // An image that stays open could not be removed: neither a cancellation nor an earlier error keeps this from happening.
    await this.#call("close", {}, { ...this.#ctx, signal: new AbortController().signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close().catch((error: unknown) => {
      this.#ctx.log.warn({ err: error, image: this.id }, "could not close an image");
    });
  }

  async #call(op: string, args: Readonly<Record<string, unknown>>, ctx: OpContext): Promise<void> {
    await this.#cluster.call(op, { handle: this.#handle, ...args }, { what: this.#what }, ctx);
  }
}
