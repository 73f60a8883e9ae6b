import type { VolumeKey } from "@luksmith/luks";
import type { ImageDisk } from "./image-disk.ts";
import type { ImageFile } from "../images/image-service.ts";

/** File systems that a blank disk may come with; `swap` is what mkswap writes. Nova's names for `guest_format`. */
export const GUEST_FORMATS = ["ext2", "ext3", "ext4", "xfs", "vfat", "ntfs", "swap"] as const;

export type GuestFormat = (typeof GUEST_FORMATS)[number];

/** What a new disk shall hold. */
export type ImageSource =
  /**
   * `opaque`: whoever asks puts ciphertext on it, so that what was on the storage before may stay. `like`: it is going to be filled part by
   * part (`openParts`) with what that disk stores, and stores the same parts in the same places.
   */
  | { readonly kind: "blank"; readonly opaque?: boolean; readonly like?: ImageDisk }
  | { readonly kind: "filesystem"; readonly format: GuestFormat; readonly label?: string }
  | { readonly kind: "image"; readonly image: ImageFile };

/** Part of a disk, in bytes from its beginning; a multiple of 512. */
export interface Extent {
  readonly start: bigint;
  readonly length: bigint;
}

/** Part of a disk's content. */
export interface ContentExtent extends Extent {
  /** Where it is in the source, when that is somewhere else than on the disk; see `DiskContent.decryption`. */
  readonly source?: bigint;
}

/** Guest-visible bytes to put on a new disk (`copyContent` does); what is outside the extents need not be written. */
export interface DiskContent {
  /** Open for reading; belongs to the caller. Without `decryption` and `source`, offsets in it are offsets on the disk. */
  readonly fd: number;
  /** Bytes the content describes, at most the disk's virtual size. */
  readonly length: bigint;
  readonly extents: readonly ContentExtent[];
  /** Parts that must read as zero, and are not in the source. */
  readonly zeros?: readonly Extent[];
  /** The source is ciphertext: it may be copied to an encrypted disk only. */
  readonly decryption?: ContentDecryption;
}

export interface ContentDecryption {
  /** Belongs to whoever opened the content. */
  readonly volumeKey: VolumeKey;
  /** Bytes before sector 0 of the source. */
  readonly offset: bigint;
}
