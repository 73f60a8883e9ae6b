import { createHash } from "node:crypto";
import type { SectorIv } from "./cipher-spec.ts";
import { createBlockCipher } from "./block-cipher.ts";

/** Bytes of a vector and of a cipher block. */
export const BLOCK = 16;

/** Makes the initialization vectors of `count` sectors from `firstSector` on; the result is only valid until the next call. */
export type SectorVectors = (firstSector: number, count: number) => Uint8Array;

/**
 * The vectors of consecutive sectors, at most `capacity` at a time.
 *
 * @param key - the whole volume key, which ESSIV hashes
 */
export function createSectorVectors(
  iv: SectorIv,
  family: string,
  key: Uint8Array,
  capacity: number,
): SectorVectors {
  const buffer = new ArrayBuffer(capacity * BLOCK);
  const bytes = new Uint8Array(buffer);
  if (iv.kind === "none") return (_first, count) => bytes.subarray(0, count * BLOCK);
  const view = new DataView(buffer);
  const numbers: SectorVectors = (firstSector, count) => {
    for (let i = 0; i < count; i++) {
      const sector = firstSector + i;
      const high = Math.floor(sector / 0x1_0000_0000);
      if (iv.kind === "plain64be") {
        view.setUint32(i * BLOCK + 8, high);
        view.setUint32(i * BLOCK + 12, sector % 0x1_0000_0000);
      } else {
        view.setUint32(i * BLOCK, sector % 0x1_0000_0000, true);
        if (iv.kind !== "plain") view.setUint32(i * BLOCK + 4, high, true);
      }
    }
    return bytes.subarray(0, count * BLOCK);
  };
  if (iv.kind !== "essiv") return numbers;
  const salt = createHash(iv.hash).update(key).digest();
  try {
    const encrypt = createBlockCipher(`${family}-${salt.length * 8}-ecb`, salt, "encrypt");
    return (firstSector, count) => {
      const encrypted = bytes.subarray(0, count * BLOCK);
      encrypt(numbers(firstSector, count), encrypted);
      // The zero half of the number must be zero again for the next call.
      const result = encrypted.slice();
      bytes.fill(0);
      return result;
    };
  } finally {
    salt.fill(0);
  }
}
