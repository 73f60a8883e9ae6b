import { createHash } from "node:crypto";
import type { GuestFormat } from "../../image/disk-content.ts";

/** Nova's file names in `<instances_path>/_base` (nova/virt/libvirt/imagecache.py), so that both find the same bases. */

/** An image's base: the SHA-1 of its id. */
export function imageBaseName(imageId: string): string {
  return createHash("sha1").update(imageId).digest("hex");
}

/** An ephemeral disk's base: its size, and the first seven digits of the MD5 of the file system's name. */
export function ephemeralBaseName(sizeGib: number, format: GuestFormat): string {
  return `ephemeral_${sizeGib}_${createHash("md5").update(format).digest("hex").slice(0, 7)}`;
}

/** A swap disk's base. */
export function swapBaseName(sizeMib: number): string {
  return `swap_${sizeMib}`;
}

const BASE = /^(?:[0-9a-f]{40}(?:_\d+)?|ephemeral_\d+_[0-9a-f]{7}|swap_\d+)$/;

/** Whether a file in `_base` is a base and not a lock, a part or something of somebody else. */
export function isBaseName(name: string): boolean {
  return BASE.test(name);
}
