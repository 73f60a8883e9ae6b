import {
  freeSpace,
  ioError,
  isLuksmithError,
  LuksmithError,
  operationError,
  type OpContext,
  throwIfCancelled,
  type TokenSource,
} from "@luksmith/core";
import { download } from "./download.ts";
import type { DownloadStore, OpenDownload } from "./download-store.ts";
import type { GlanceApi } from "./glance-api.ts";
import { PartFile } from "./part-file.ts";
import { type Shared, SharedWork } from "./shared-work.ts";
import { Slots } from "./slots.ts";
import { contentKey, type WantedContent } from "./wanted-content.ts";

/** Somebody may remove a download just when we want it, but hardly this often. */
const ATTEMPTS = 5;
/** After these the part is gone on with: nothing is wrong with what came. */
const PASSING = new Set([
  "ImageServiceUnavailable",
  "TokenRefused",
  "TokenMissing",
  "AuthenticationFailed",
  "IdentityUnavailable",
]);

/** Brings images into the store: each once, however many ask for it in however many processes. */
export class ImageDownloader {
  readonly #glance: GlanceApi;
  readonly #store: DownloadStore;
  readonly #slots: Slots;
  readonly #work = new SharedWork();

  /** @param maxDownloads at once in this process */
  constructor(glance: GlanceApi, store: DownloadStore, maxDownloads: number) {
    this.#glance = glance;
    this.#store = store;
    this.#slots = new Slots(maxDownloads);
  }

  /** The image's file, downloaded now or before. The caller disposes it. */
  async open(wanted: WantedContent, as: TokenSource, ctx: OpContext): Promise<OpenDownload> {
    await this.#store.prepare();
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const found = await this.#store.open(wanted, ctx);
      if (found) return found;
      const bring = (shared: Shared) => this.#bring(wanted, as, shared, ctx);
      await this.#work.run(`${wanted.id} ${contentKey(wanted)}`, bring, ctx);
    }
    throw new LuksmithError(
      "ImageNotFound",
      `image ${wanted.id} vanished from ${this.#store.directory} each time it was downloaded; find out who removes it`,
      { details: { imageId: wanted.id, path: this.#store.path(wanted.id) } },
    );
  }

  async #bring(wanted: WantedContent, as: TokenSource, shared: Shared, ctx: OpContext): Promise<void> {
    using _lock = await this.#store.lock(wanted.id, ctx);
    if (await this.#store.reclaim(wanted, ctx)) return;
    using _slot = await this.#slots.take(ctx);
    const path = this.#store.partPath(wanted);
    try {
      await this.#store.sweepParts(wanted.id, path);
      // What a killed process left may lack blocks that never reached the storage: then once more from the beginning.
      const resumed = await this.#fill(path, wanted, as, shared, ctx);
      if (resumed) await this.#fill(path, wanted, as, shared, ctx);
    } catch (error) {
      const mayContinue = ctx.signal.aborted
        ? shared.wantedByOthers()
        : isLuksmithError(error) && PASSING.has(error.code);
      if (!mayContinue) await this.#store.sweepParts(wanted.id);
      if (isLuksmithError(error)) throw error;
      throw operationError(error, ctx.signal, `downloading image ${wanted.id}`, { path });
    }
  }

  /** @returns true: what was there before was no good, and was removed */
  async #fill(
    path: string,
    wanted: WantedContent,
    as: TokenSource,
    shared: Shared,
    ctx: OpContext,
  ): Promise<boolean> {
    await using part = await PartFile.open(path, wanted, ctx);
    const before = part.received;
    await requireSpace(path, wanted, wanted.size - before);
    const began = Date.now();
    await download(this.#glance, wanted, part, as, shared.progress, ctx);
    throwIfCancelled(ctx);
    const digest = part.digest();
    if (wanted.digest !== undefined && digest !== wanted.digest) {
      await part.remove();
      if (before > 0n) return true;
      throw corrupt(wanted, digest);
    }
    await this.#store.publish(part, wanted, digest);
    const { id: image, size } = wanted;
    const fields = { image, bytes: String(size), resumedAt: String(before), ms: Date.now() - began };
    ctx.log.info(fields, "downloaded an image");
    return false;
  }
}

async function requireSpace(path: string, { id }: WantedContent, needed: bigint): Promise<void> {
  const free = await freeSpace(path).catch((error: unknown) => {
    throw ioError(error, `looking for space for image ${id}`);
  });
  if (needed <= free) return;
  throw new LuksmithError(
    "NoSpace",
    `downloading image ${id} needs ${needed} bytes, ${free} are free below ${path}; run "luksmith cache prune --all-unused", or set [luksmith:images-glance] directory to a larger file system`,
    { details: { imageId: id, needed: String(needed), free: String(free), path } },
  );
}

function corrupt({ id, algorithm, digest }: WantedContent, found: string): LuksmithError {
  return new LuksmithError(
    "ImageCorrupt",
    `what came of image ${id} has another ${algorithm} digest than Glance says; it was removed: try again, and if it stays so, upload the image anew`,
    { details: { imageId: id, algorithm, expected: digest, found } },
  );
}
