import { token } from "../di/token.ts";
import type { OpContext } from "../image/op-context.ts";

/** Formats of input images, by Glance's `disk_format`. */
export type DiskFormat = "raw" | "qcow2" | "vmdk" | "vhd" | "vhdx" | "iso";

/** An image's bytes on this host, open for reading. The caller disposes it. */
export interface ImageFile extends AsyncDisposable {
  readonly id: string;
  readonly format: DiskFormat;
  /** Absolute path; for tools that need a name. */
  readonly path: string;
  /** Owned by this object; closed by its disposal. */
  readonly fd: number;
  /** Bytes in the file. */
  readonly size: bigint;
  /** Bytes that a guest sees. */
  readonly virtualSize: bigint;
}

/** What is declared about an image: the Glance metadata of the request, or what stands beside the file. */
export interface ImageMetadata {
  readonly id: string;
  readonly disk_format?: string | null;
  readonly size?: number | null;
  readonly virtual_size?: number | null;
  readonly os_hash_algo?: string | null;
  readonly os_hash_value?: string | null;
}

/** Where images come from: a directory, Glance. */
export interface ImageService {
  readonly name: string;
  /**
   * Opens an image after checking that it is what it is declared to be.
   * @throws `ImageNotFound`, `ImageFormatMismatch`, `ImageUnacceptable`, `UnsupportedImageFormat`
   */
  open(imageId: string, declared: ImageMetadata | undefined, ctx: OpContext): Promise<ImageFile>;
}

export const Images = token<ImageService>("luksmith.image-service");
