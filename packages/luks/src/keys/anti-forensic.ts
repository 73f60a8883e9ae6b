import { createHash, randomFillSync } from "node:crypto";
import { foldStripesSha256, hasSha256Kernel } from "./sha256-chain.ts";

/** Random stripes, all but the last, and what they diffuse to; wiped by whoever uses them. */
export interface FoldedStripes {
  /** With room for the last stripe at the end. */
  readonly material: Uint8Array<ArrayBuffer>;
  readonly folded: Uint8Array;
}

/** The part of a split that does not depend on the key. */
export function foldedStripes(keyBytes: number, stripes: number, hash: string): FoldedStripes {
  const material = new Uint8Array(keyBytes * stripes);
  const last = keyBytes * (stripes - 1);
  randomFillSync(material, 0, last);
  return { material, folded: foldStripes(material.subarray(0, last), keyBytes, hash) };
}

/**
 * Splits a key into stripes of its own size, all of which are needed to get it back: LUKS On-Disk Format Specification
 * 1.2.3, section 2.4 (AFsplit). The caller wipes the result.
 *
 * @param hash - OpenSSL name of the header's hash
 * @param random - random stripes for this key alone; made here by default
 */
export function splitKey(
  key: Uint8Array,
  stripes: number,
  hash: string,
  random: FoldedStripes = foldedStripes(key.length, stripes, hash),
): Uint8Array<ArrayBuffer> {
  const { material, folded } = random;
  const last = key.length * (stripes - 1);
  for (let i = 0; i < key.length; i++) material[last + i] = (folded[i] ?? 0) ^ (key[i] ?? 0);
  folded.fill(0);
  return material;
}

/** Gets the key back (AFmerge). The caller wipes both. */
export function mergeKey(material: Uint8Array, keyBytes: number, hash: string): Uint8Array {
  const last = material.length - keyBytes;
  const key = foldStripes(material.subarray(0, last), keyBytes, hash);
  for (let i = 0; i < keyBytes; i++) key[i] = (key[i] ?? 0) ^ (material[last + i] ?? 0);
  return key;
}

function foldStripes(stripes: Uint8Array, keyBytes: number, hash: string): Uint8Array {
  return hash === "sha256" && hasSha256Kernel(keyBytes)
    ? foldStripesSha256(stripes, keyBytes)
    : foldStripesReference(stripes, keyBytes, hash);
}

/**
 * XORs each stripe into a running block and diffuses that: every digest-sized piece is replaced by the hash of its
 * number and itself, the last one cut to what is left (specification, section 2.4, H1).
 */
export function foldStripesReference(stripes: Uint8Array, keyBytes: number, hash: string): Uint8Array {
  const block = new Uint8Array(keyBytes);
  const digestBytes = createHash(hash).digest().length;
  const number = new DataView(new ArrayBuffer(4));
  for (let at = 0; at < stripes.length; at += keyBytes) {
    for (let i = 0; i < keyBytes; i++) block[i] = (block[i] ?? 0) ^ (stripes[at + i] ?? 0);
    for (let start = 0; start < keyBytes; start += digestBytes) {
      number.setUint32(0, start / digestBytes);
      const piece = block.subarray(start, start + digestBytes);
      const digest = createHash(hash).update(number).update(piece).digest();
      piece.set(digest.subarray(0, piece.length));
    }
  }
  return block;
}
