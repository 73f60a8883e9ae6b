import { type FileHandle, open, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { LuksEngine } from "@luksmith/luks";
import type { CommandRunner } from "../../command/command-runner.ts";
import { ioError, operationError } from "../../errors/io-error.ts";
import type { DiskContent, GuestFormat } from "../../image/disk-content.ts";
import type { OpContext } from "../../image/op-context.ts";
import { convertToRaw } from "../convert-to-raw.ts";
import type { ImageFile } from "../image-service.ts";
import { ephemeralBaseName, imageBaseName, swapBaseName } from "./base-name.ts";
import { makeBaseOnce } from "./base-file.ts";

/** What overlays stand on, and raw disks are filled from. */
export interface BaseImage {
  /** Absolute. */
  readonly path: string;
  readonly format: "raw" | "qcow2";
  /** Bytes that a guest sees. */
  readonly virtualSize: bigint;
}

export interface ImageCacheOptions {
  /** `[DEFAULT] instances_path`; bases are in `_base` below it. */
  readonly instancesPath: string;
  readonly commands: CommandRunner;
  readonly luks: LuksEngine;
  /** For one conversion, ms. */
  readonly timeoutMs: number;
}

const GIB = 1024n ** 3n;
const MIB = 1024n ** 2n;

/**
 * Bases under `<instances_path>/_base`, with Nova's names: each image copied or converted once, each empty file system
 * made once. Safe for any number of callers and processes.
 */
export class ImageCache {
  readonly #options: ImageCacheOptions;

  constructor(options: ImageCacheOptions) {
    this.#options = options;
  }

  get directory(): string {
    return join(this.#options.instancesPath, "_base");
  }

  /**
   * The base of an inspected image.
   * @param options `raw`: converted to raw whatever it was; otherwise a qcow2 image stays as it came
   */
  async image(image: ImageFile, options: { readonly raw: boolean }, ctx: OpContext): Promise<BaseImage> {
    const raw = options.raw || image.format !== "qcow2";
    const name = imageBaseName(image.id);
    await this.#make(name, `base of image ${image.id}`, ctx, async (part) => {
      if (!raw || image.format === "raw" || image.format === "iso") await this.#copy(image, part.handle, ctx);
      else await convertToRaw(image, part.path, this.#options.commands, this.#options.timeoutMs, ctx);
    });
    return {
      path: join(this.directory, name),
      format: raw ? "raw" : "qcow2",
      virtualSize: image.virtualSize,
    };
  }

  /**
   * The base of a blank disk: a file system that nobody has used, without anybody's data.
   * @param virtualSize whole GiB for an ephemeral disk, whole MiB for swap
   */
  async filesystem(
    format: GuestFormat,
    virtualSize: bigint,
    make: () => Promise<AsyncDisposable & { readonly content?: DiskContent | undefined }>,
    ctx: OpContext,
  ): Promise<BaseImage> {
    const name =
      format === "swap"
        ? swapBaseName(Number(virtualSize / MIB))
        : ephemeralBaseName(Number(virtualSize / GIB), format);
    await this.#make(name, `base ${name}`, ctx, async ({ handle }) => {
      await using made = await make();
      await handle.truncate(Number(virtualSize));
      if (made.content) await this.#write(made.content, handle, name, ctx);
    });
    return { path: join(this.directory, name), format: "raw", virtualSize };
  }

  async #make(
    name: string,
    what: string,
    ctx: OpContext,
    fill: (part: { readonly path: string; readonly handle: FileHandle }) => Promise<void>,
  ): Promise<void> {
    const path = join(this.directory, name);
    try {
      const made = await makeBaseOnce(this.directory, name, fill, ctx);
      // Ageing goes by the last use, which Nova keeps in the modification time.
      if (!made) await utimes(path, new Date(), new Date());
      ctx.log.debug({ base: path, made, bytes: (await stat(path)).size }, "image cache");
    } catch (error) {
      throw operationError(error, ctx.signal, `making the ${what} (${path})`, { path });
    }
  }

  async #copy(image: ImageFile, handle: FileHandle, ctx: OpContext): Promise<void> {
    await handle.truncate(Number(image.size));
    const content = { fd: image.fd, length: image.size, extents: [{ start: 0n, length: image.size }] };
    await this.#write(content, handle, `image ${image.id}`, ctx);
  }

  async #write(content: DiskContent, handle: FileHandle, what: string, ctx: OpContext): Promise<void> {
    await this.#options.luks.copy({
      from: { fd: content.fd, offset: 0n },
      to: { fd: handle.fd, offset: 0n },
      length: content.length,
      extents: content.extents,
      sparse: true,
      signal: ctx.signal,
      onProgress: (doneBytes, totalBytes) => ctx.progress?.({ step: `cache ${what}`, doneBytes, totalBytes }),
    });
  }
}

/** Opens a base as content for a disk. The caller disposes it. */
export async function openBase(
  base: BaseImage,
): Promise<AsyncDisposable & { readonly content: DiskContent }> {
  try {
    const handle = await open(base.path, "r");
    const extents = [{ start: 0n, length: base.virtualSize }];
    return {
      content: { fd: handle.fd, length: base.virtualSize, extents },
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    throw ioError(error, `opening the base ${base.path}`);
  }
}
