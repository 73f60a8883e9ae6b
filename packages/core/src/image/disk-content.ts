import type { ImageFile } from "../images/image-service.ts";

/** File systems that a blank disk may come with; `swap` is what mkswap writes. Nova's names for `guest_format`. */
export const GUEST_FORMATS = ["ext2", "ext3", "ext4", "xfs", "vfat", "ntfs", "swap"] as const;

export type GuestFormat = (typeof GUEST_FORMATS)[number];

/** What a new disk shall hold. */
export type ImageSource =
  | { readonly kind: "blank" }
  | { readonly kind: "filesystem"; readonly format: GuestFormat; readonly label?: string }
  | { readonly kind: "image"; readonly image: ImageFile };

/** Part of a disk, in bytes from its beginning; a multiple of 512. */
export interface Extent {
  readonly start: bigint;
  readonly length: bigint;
}

/** Guest-visible bytes to put on a new disk; what is outside the extents need not be written. */
export interface DiskContent {
  /** Open for reading; belongs to the caller. Offsets in it are offsets on the disk. */
  readonly fd: number;
  /** Bytes the content describes, at most the disk's virtual size. */
  readonly length: bigint;
  readonly extents: readonly Extent[];
}
