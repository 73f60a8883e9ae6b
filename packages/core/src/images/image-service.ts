import { token } from "../di/token.ts";
import type { OpContext } from "../image/op-context.ts";
import type { ImageDownloads } from "./image-downloads.ts";

/** How an input image is stored, by the name of QEMU's driver for it. What was declared as iso or ami is raw here. */
export type DiskFormat = "raw" | "qcow2" | "vmdk" | "vpc" | "vhdx";

/** An image's bytes on this host, inspected, open for reading. The caller disposes it. */
export interface ImageFile extends AsyncDisposable {
  readonly id: string;
  /** Of an encrypted image: that of the container around the ciphertext; a bare LUKS container is `raw`. */
  readonly format: DiskFormat;
  /** Absolute path; for people, and for tools that need a name. */
  readonly path: string;
  /** Owned by this object; closed by its disposal. */
  readonly fd: number;
  /** Bytes in the file. */
  readonly size: bigint;
  /** Bytes that a guest sees; of an encrypted image, decrypted. */
  readonly virtualSize: bigint;
  /** Absent: the image is plain. What it holds is not checked yet: see `unlockImage`. */
  readonly encryption?: ImageEncryption;
}

/** LUKSv1, the only encryption of images that is taken. */
export interface ImageEncryption {
  readonly format: "luks";
  /** The image's own secret in the key manager. It is its owner's: never deleted here. */
  readonly secretId: string;
}

/** What is declared about an image: the Glance metadata of the request, or what stands beside the file. */
export interface ImageMetadata {
  readonly id: string;
  readonly disk_format?: string | null;
  readonly size?: number | null;
  readonly virtual_size?: number | null;
  readonly os_hash_algo?: string | null;
  readonly os_hash_value?: string | null;
  /** Everything that is no field of Glance's own, as strings. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** Where images come from: a directory, Glance. */
export interface ImageService {
  readonly name: string;
  /** Absent: it keeps nothing on this host. */
  readonly downloads?: ImageDownloads;
  /**
   * Opens an image after checking that it is what it is declared to be: see `inspectedImage`.
   * @throws `ImageNotFound`, `ImageFormatMismatch`, `ImageUnacceptable`, `UnsupportedImageFormat`, and a code of its
   * own for each way in which an image is hostile, damaged or encrypted against its declaration
   */
  open(imageId: string, declared: ImageMetadata | undefined, ctx: OpContext): Promise<ImageFile>;
}

export const Images = token<ImageService>("luksmith.image-service");
