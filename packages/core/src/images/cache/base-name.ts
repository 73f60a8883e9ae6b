import { createHash } from "node:crypto";
import type { GuestFormat } from "../../image/disk-content.ts";

/** Nova's file names in `<instances_path>/_base` (nova/virt/libvirt/imagecache.py), so that both find the same bases. */

/** An image's base: the SHA-1 of its id. */
export function imageBaseName(imageId: string): string {
  return createHash("sha1").update(imageId).digest("hex");
}

/**
 * An image's base in one format, where Nova's name is taken by the other: `force_raw_images` was changed, and disks
 * still stand on the first.
 */
export function secondBaseName(imageId: string, format: "raw" | "qcow2"): string {
  return `${imageBaseName(imageId)}_${format}`;
}

/** An ephemeral disk's base: its size, and the first seven digits of the MD5 of the file system's name. */
export function ephemeralBaseName(sizeGib: number, format: GuestFormat): string {
  return `ephemeral_${sizeGib}_${createHash("md5").update(format).digest("hex").slice(0, 7)}`;
}

/** A swap disk's base. */
export function swapBaseName(sizeMib: number): string {
  return `swap_${sizeMib}`;
}

const BASE = /^(?:[0-9a-f]{40}(?:_(?:\d+|raw|qcow2))?|ephemeral_\d+_[0-9a-f]{7}|swap_\d+)$/;
const PART = /^\.(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.part$/;

/** Whether a file in `_base` is a base and not a lock, a part or something of somebody else. */
export function isBaseName(name: string): boolean {
  return BASE.test(name);
}

/** What a base is called while it is being made. */
export function partName(base: string, uuid: string): string {
  return `.${base}.${uuid}.part`;
}

/** The base that a file in `_base` was to become; undefined if it is no part. */
export function baseOfPart(name: string): string | undefined {
  const base = PART.exec(name)?.[1];
  return base !== undefined && isBaseName(base) ? base : undefined;
}
