import { constants } from "node:fs";
import { copyFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { LuksEngine } from "@luksmith/luks";
import type { CommandRunner } from "../../command/command-runner.ts";
import { operationError } from "../../errors/io-error.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { DiskContent, GuestFormat } from "../../image/disk-content.ts";
import { nameExists } from "../../file/file-identity.ts";
import { copyContent } from "../../image/disk-content-copy.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import { convertToRaw } from "../convert-to-raw.ts";
import type { ImageEncryption, ImageFile } from "../image-service.ts";
import { makeBaseOnce } from "./base-file.ts";
import { BaseLease, lockPath, makeLockDirectory } from "./base-lease.ts";
import { ephemeralBaseName, imageBaseName, secondBaseName, swapBaseName } from "./base-name.ts";
import { isCancelled, settled } from "./settled.ts";
import { BaseChecker, faultOf } from "./check-base.ts";

/**
 * What overlays stand on, and raw disks are filled from. It is not removed before it is disposed: dispose it when the
 * overlay has its name, from when on `cache prune` finds it there.
 */
export interface BaseImage extends Disposable {
  /** Absolute. */
  readonly path: string;
  readonly format: "raw" | "qcow2";
  /** Bytes that a guest sees. */
  readonly virtualSize: bigint;
  /** The base of an encrypted image is encrypted as that is. A raw one is a bare LUKS container. */
  readonly encryption?: ImageEncryption;
}

export interface ImageCacheOptions {
  /** `[DEFAULT] instances_path`; bases are in `_base` below it. */
  readonly instancesPath: string;
  readonly commands: CommandRunner;
  readonly luks: LuksEngine;
  /** For one conversion, ms. */
  readonly timeoutMs: number;
}

/** What a base is to be. */
interface WantedBase {
  readonly name: string;
  /** For people. */
  readonly what: string;
  readonly format: "raw" | "qcow2";
  readonly virtualSize: bigint;
  readonly luksBytes?: bigint | undefined;
  readonly encryption?: ImageEncryption | undefined;
  fill(part: FileHandle): Promise<void>;
}

const GIB = 1024n ** 3n;
const MIB = 1024n ** 2n;
/** Somebody else may remove a base just when we want it, but hardly this often. */
const ATTEMPTS = 5;

/**
 * Bases under `<instances_path>/_base`, with Nova's names: each image copied or converted once, each empty file system
 * made once. Safe for any number of callers and processes.
 *
 * A base must not vanish under a create. So who takes one holds a lease on it (a lock that all takers share) from before
 * the base was looked at until the overlay has its name; who removes one holds the same lock alone, and under it looks
 * once more whether an overlay names the base (`prune-cache.ts`). Either the prune comes first, and the create finds
 * nothing and makes the base again; or it finds the lock held, or the overlay.
 */
export class ImageCache {
  readonly #options: ImageCacheOptions;
  readonly #checker = new BaseChecker();
  /** Bases that this process is making; a lock between processes is for one of its callers only. */
  readonly #making = new Map<string, Promise<unknown>>();

  constructor(options: ImageCacheOptions) {
    this.#options = options;
  }

  get directory(): string {
    return join(this.#options.instancesPath, "_base");
  }

  /**
   * The base of an inspected image. The caller disposes it. That of an encrypted image is stored as it came: no plain
   * copy of somebody's data comes into the cache.
   * @param options `raw`: converted to raw whatever it was; otherwise a qcow2 image stays as it came
   * @throws `ImageUnacceptable`: a base is there, but was changed; what a conversion throws
   */
  async image(image: ImageFile, options: { readonly raw: boolean }, ctx: OpContext): Promise<BaseImage> {
    const { id, virtualSize, encryption } = image;
    const { asItCame, format } = storedAs(image, options);
    const { commands, timeoutMs } = this.#options;
    const convert = (part: FileHandle) => convertToRaw(image, part, commands, timeoutMs, ctx);
    return this.#take(
      {
        name: await this.#imageName(id, format),
        what: `base of image ${id}`,
        format,
        virtualSize,
        luksBytes: encryption && format === "raw" ? image.size : undefined,
        encryption,
        fill: (part) => (asItCame || format === "qcow2" ? this.#copy(image, part, ctx) : convert(part)),
      },
      ctx,
    );
  }

  /**
   * Bytes that `image` will add to the cache at most; 0 once the base is there.
   * @param options as for `image`
   */
  async bytesToAdd(image: ImageFile, options: { readonly raw: boolean }): Promise<bigint> {
    const { asItCame, format } = storedAs(image, options);
    if (nameExists(join(this.directory, await this.#imageName(image.id, format)))) return 0n;
    return asItCame || format === "qcow2" ? image.size : image.virtualSize;
  }

  /**
   * The base of a blank disk: a file system that nobody has used, without anybody's data. The caller disposes it.
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
    const fill = async (part: FileHandle): Promise<void> => {
      await using made = await make();
      await part.truncate(Number(virtualSize));
      if (made.content) await this.#write(made.content, part, `cache base ${name}`, ctx);
    };
    return this.#take({ name, what: `base ${name}`, format: "raw", virtualSize, fill }, ctx);
  }

  /** Nova's name, unless a base in the other format has it. */
  async #imageName(id: string, format: "raw" | "qcow2"): Promise<string> {
    const name = imageBaseName(id);
    const stored = await this.#checker.storedFormat(join(this.directory, name));
    return stored === undefined || stored === format ? name : secondBaseName(id, format);
  }

  async #take(wanted: WantedBase, ctx: OpContext): Promise<BaseImage> {
    const path = join(this.directory, wanted.name);
    try {
      makeLockDirectory(this.directory);
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const made = await this.#makeOnce(wanted, ctx);
        const lease = await BaseLease.acquire(lockPath(this.directory, wanted.name, "users"), ctx);
        const found = await this.#checker.check({ ...wanted, path }, ctx).catch((error: unknown) => {
          lease[Symbol.dispose]();
          throw error;
        });
        ctx.log.debug({ base: path, made, found }, "image cache");
        if (found) return baseImage(path, wanted, lease);
        lease[Symbol.dispose]();
      }
    } catch (error) {
      throw operationError(error, ctx.signal, `making the ${wanted.what} (${path})`, { path });
    }
    throw new LuksmithError(
      "ImageNotFound",
      `the ${wanted.what} (${path}) vanished each time it was made; find out who removes it`,
      { details: { path } },
    );
  }

  /** @returns whether this call made it */
  async #makeOnce(wanted: WantedBase, ctx: OpContext): Promise<boolean> {
    for (;;) {
      const making = this.#making.get(wanted.name);
      if (!making) break;
      const [outcome] = await settled(making, ctx);
      // What failed for another fails for us too, but another's cancellation is not ours.
      if (outcome?.status === "rejected" && !isCancelled(outcome.reason)) throw outcome.reason;
    }
    const making = makeBaseOnce(this.directory, wanted.name, (part) => this.#fill(wanted, part, ctx), ctx);
    this.#making.set(wanted.name, making);
    try {
      return await making;
    } finally {
      this.#making.delete(wanted.name);
    }
  }

  async #fill(wanted: WantedBase, part: FileHandle, ctx: OpContext): Promise<void> {
    await wanted.fill(part);
    const { size } = await part.stat({ bigint: true });
    // A disk inside the disk, for a tool that guesses: an image that was converted shows only now what it holds.
    const fault = await faultOf(part, size, wanted, ctx);
    if (fault === undefined) return;
    throw new LuksmithError("ImageUnacceptable", `the ${wanted.what} cannot be made: ${fault}`);
  }

  async #copy(image: ImageFile, part: FileHandle, ctx: OpContext): Promise<void> {
    const step = `cache image ${image.id}`;
    ctx.progress?.({ step, doneBytes: 0n, totalBytes: image.size });
    throwIfCancelled(ctx);
    if (await reflinked(image.fd, part)) return;
    await part.truncate(Number(image.size));
    const content = { fd: image.fd, length: image.size, extents: [{ start: 0n, length: image.size }] };
    await this.#write(content, part, step, ctx);
  }

  #write(content: DiskContent, part: FileHandle, step: string, ctx: OpContext): Promise<void> {
    return copyContent(content, { fd: part.fd, offset: 0n }, step, this.#options.luks, ctx);
  }
}

/** How an image's base is stored: what is raw, encrypted, or need not be raw, as it came. */
function storedAs(
  { encryption, format }: ImageFile,
  options: { readonly raw: boolean },
): { readonly asItCame: boolean; readonly format: "raw" | "qcow2" } {
  const asItCame = encryption !== undefined || format === "raw";
  return { asItCame, format: format === "qcow2" && (asItCame || !options.raw) ? "qcow2" : "raw" };
}

function baseImage(path: string, wanted: WantedBase, lease: BaseLease): BaseImage {
  const { format, virtualSize, encryption } = wanted;
  return {
    path,
    format,
    virtualSize,
    ...(encryption ? { encryption } : {}),
    [Symbol.dispose]: () => lease[Symbol.dispose](),
  };
}

/** Has the file system share the blocks, where it can. */
async function reflinked(from: number, part: FileHandle): Promise<boolean> {
  const [source, target] = [`/proc/self/fd/${from}`, `/proc/self/fd/${part.fd}`];
  return copyFile(source, target, constants.COPYFILE_FICLONE_FORCE).then(
    () => true,
    () => false,
  );
}
