import type { ImageDisk } from "@luksmith/core";

const SIZE = "luksmith.size=";
const DISK = "luksmith.disk=";
const MADE = "luksmith.made=";

/**
 * What a volume says of itself: whose it is, and how many bytes the guest sees. A volume has whole extents, and a LUKS1
 * header no size.
 * @param made names the creation; an undo finds its own volume by it
 */
export function newTags({ uuid, virtualSize }: ImageDisk, made: string): readonly string[] {
  return [`${DISK}${uuid}`, sizeTag(virtualSize), madeTag(made)];
}

export function sizeTag(virtualSize: bigint): string {
  return `${SIZE}${virtualSize}`;
}

export function madeTag(made: string): string {
  return `${MADE}${made}`;
}

/** The size that the tags name, undefined if they name none, or several. */
export function taggedSize(tags: readonly string[]): bigint | undefined {
  const sizes = tags.filter((tag) => tag.startsWith(SIZE)).map((tag) => tag.slice(SIZE.length));
  const [size = ""] = sizes;
  return sizes.length === 1 && /^\d+$/.test(size) ? BigInt(size) : undefined;
}

/** The disk's UUID that the tags name, undefined if they name none, or several. */
export function taggedDisk(tags: readonly string[]): string | undefined {
  const [disk, ...more] = tags.filter((tag) => tag.startsWith(DISK)).map((tag) => tag.slice(DISK.length));
  return more.length === 0 ? disk : undefined;
}

/** All tags that name a size. */
export function sizeTags(tags: readonly string[]): readonly string[] {
  return tags.filter((tag) => tag.startsWith(SIZE));
}
