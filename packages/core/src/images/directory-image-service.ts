import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, ioError } from "../errors/io-error.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import { imageProperties } from "../request/image-properties.ts";
import { declaredHash, hashFile, requireHash } from "./hash-file.ts";
import type { ImageFile, ImageMetadata, ImageService } from "./image-service.ts";
import { type ImageChecks, inspectedImage } from "./inspected-image.ts";

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const MAX_METADATA_BYTES = 1024 * 1024;

/**
 * Images as files of a directory: `<image id>`, with Glance's metadata in the request or in `<image id>.json` beside
 * it. For hosts without OpenStack.
 */
export class DirectoryImageService implements ImageService {
  readonly name = "directory";
  readonly #directory: string;
  readonly #checks: ImageChecks;
  readonly #verifyHash: boolean;
  /** Images whose digest was found right, with what changes when a byte does. */
  readonly #hashed = new Map<string, string>();

  /**
   * @param directory absolute; `[luksmith] images_path`
   * @param verifyHash `[luksmith] images_verify_hash`: whether a declared digest must be the file's
   */
  constructor(
    directory: string,
    { verifyHash = false, ...checks }: ImageChecks & { verifyHash?: boolean } = {},
  ) {
    this.#directory = directory;
    this.#checks = checks;
    this.#verifyHash = verifyHash;
  }

  async open(imageId: string, declared: ImageMetadata | undefined, ctx: OpContext): Promise<ImageFile> {
    if (!UUID.test(imageId)) {
      throw new LuksmithError("ImageNotFound", `${imageId} is not an image id (a UUID)`, {
        details: { imageId },
      });
    }
    const path = join(this.#directory, imageId);
    const metadata = declared?.disk_format ? declared : await this.#metadata(imageId, path);
    const file = await this.#openFile(imageId, path);
    try {
      const image = await inspectedImage({ id: imageId, path, file }, metadata, this.#checks, ctx);
      await this.#requireHash(file, metadata, ctx);
      return image;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Once for each file and declaration, in this process: hashing takes as long as reading it all. */
  async #requireHash(file: FileHandle, metadata: ImageMetadata, ctx: OpContext): Promise<void> {
    const { id } = metadata;
    const declared = this.#verifyHash ? declaredHash(metadata) : undefined;
    if (!declared) return;
    const seenAs = (stat: BigIntStats): string => {
      const { ino, birthtimeNs, size, mtimeNs, ctimeNs } = stat;
      return [ino, birthtimeNs, size, mtimeNs, ctimeNs, declared.algorithm, declared.value].join();
    };
    const stat = await file.stat({ bigint: true });
    const seen = seenAs(stat);
    if (this.#hashed.get(id) === seen) return;
    const source = { fd: file.fd, size: stat.size, step: `check image ${id}` };
    requireHash(id, declared, await hashFile(source, declared.algorithm, ctx));
    this.#hashed.set(id, seen);
  }

  async #openFile(imageId: string, path: string): Promise<FileHandle> {
    try {
      return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (errnoOf(error) === "ELOOP") {
        throw new LuksmithError(
          "ImageUnacceptable",
          `image ${imageId} is a symbolic link (${path}); put the file itself there`,
        );
      }
      if (errnoOf(error) !== "ENOENT") throw ioError(error, `opening image ${imageId} (${path})`);
      throw new LuksmithError(
        "ImageNotFound",
        `image ${imageId} is not at ${path}; put its file there or set [luksmith] images_path`,
        { details: { imageId, path } },
      );
    }
  }

  async #metadata(imageId: string, path: string): Promise<ImageMetadata> {
    try {
      const text = await readFile(`${path}.json`, { encoding: "utf8" });
      if (text.length > MAX_METADATA_BYTES) throw new Error("it is larger than 1 MiB");
      const json: unknown = JSON.parse(text);
      if (typeof json !== "object" || json === null) throw new Error("it is not a JSON object");
      return { ...json, properties: imageProperties({ ...json }), id: imageId };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new LuksmithError(
        "ImageUnacceptable",
        `the format of image ${imageId} is not declared: neither the request nor ${path}.json says disk_format (${reason}); formats are never guessed`,
        { cause: error, details: { imageId } },
      );
    }
  }
}
