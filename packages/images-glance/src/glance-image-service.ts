import {
  type ImageChecks,
  type ImageDownloads,
  type ImageFile,
  type ImageMetadata,
  type ImageService,
  inspectedImage,
  LuksmithError,
  type OpContext,
} from "@luksmith/core";
import { requireAgreement, requireUsable } from "./check-metadata.ts";
import { DownloadStore } from "./download-store.ts";
import type { GlanceApi } from "./glance-api.ts";
import { metadataOf } from "./glance-image.ts";
import { ImageDownloader } from "./image-downloader.ts";
import { wantedContent } from "./wanted-content.ts";

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

export interface GlanceImageServiceOptions {
  /** Absolute; where downloads are kept. */
  readonly directory: string;
  /** At once in this process. */
  readonly maxDownloads: number;
  /** Take images whose bytes cannot be verified. */
  readonly allowMissingHash: boolean;
}

/**
 * Images from Glance. Each `open` asks Glance as the caller, also when the bytes are here: it alone knows who may use
 * them. They are downloaded once and kept.
 */
export class GlanceImageService implements ImageService, Disposable {
  readonly name = "glance";
  readonly #glance: GlanceApi;
  readonly #options: GlanceImageServiceOptions;
  readonly #checks: ImageChecks;
  readonly #store: DownloadStore;
  readonly #downloader: ImageDownloader;

  /** @param glance owned */
  constructor(glance: GlanceApi, options: GlanceImageServiceOptions, checks: ImageChecks = {}) {
    this.#glance = glance;
    this.#options = options;
    this.#checks = checks;
    this.#store = new DownloadStore(options.directory);
    this.#downloader = new ImageDownloader(glance, this.#store, options.maxDownloads);
  }

  get downloads(): ImageDownloads {
    return this.#store;
  }

  /**
   * @throws `TokenMissing`, `TokenRefused`, `PermissionDenied`, `ImageNotActive`, `ImageServiceUnavailable`,
   * `ImageCorrupt`, `NoSpace`, and what every image service throws
   */
  async open(imageId: string, declared: ImageMetadata | undefined, ctx: OpContext): Promise<ImageFile> {
    if (!UUID.test(imageId)) {
      throw new LuksmithError("ImageNotFound", `${imageId} is not an image id (a UUID)`, {
        details: { imageId },
      });
    }
    const { userToken } = ctx;
    if (!userToken) {
      throw new LuksmithError(
        "TokenMissing",
        `image ${imageId} is downloaded from Glance as its user, and no credentials came with the command; set OS_* variables or OS_CLOUD, or give a token with --os-token-stdin`,
        { details: { imageId } },
      );
    }
    const image = await this.#glance.image(imageId, userToken, ctx);
    requireUsable(image);
    requireAgreement(image, declared);
    const wanted = wantedContent(image, this.#options);
    if (wanted.digest === undefined) ctx.log.warn({ image: imageId }, "Glance has no digest of this image");
    await using stack = new AsyncDisposableStack();
    const { path, file } = stack.use(await this.#downloader.open(wanted, userToken, ctx));
    const opened = await inspectedImage({ id: imageId, path, file }, metadataOf(image), this.#checks, ctx);
    const held = stack.move();
    return { ...opened, [Symbol.asyncDispose]: () => held.disposeAsync() };
  }

  [Symbol.dispose](): void {
    this.#glance[Symbol.dispose]();
  }
}
