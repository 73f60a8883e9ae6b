import type { BlockCipher } from "./block-cipher.ts";
import { BLOCK, type SectorVectors } from "./sector-vectors.ts";
import { CHUNK_SECTORS } from "./xts-kernel.ts";
import type { SectorTransform } from "./xts.ts";

/**
 * Encrypts sectors in CBC mode, each with its own vector.
 *
 * @param chain - one CBC cipher that runs on from sector to sector, started with a zero vector: its last output block
 *   is XORed into the next sector's first block together with the vector, which cancels what the cipher adds itself
 */
export function createCbcEncrypt(chain: BlockCipher, vectors: SectorVectors): SectorTransform {
  const last = new Uint8Array(BLOCK);
  return (data, firstSector) => {
    for (let at = 0; at < data.length; at += 512) {
      const sector = data.subarray(at, at + 512);
      xorInto(sector, last);
      xorInto(sector, vectors(firstSector + at / 512, 1));
      chain(sector, sector);
      last.set(sector.subarray(512 - BLOCK));
    }
  };
}

/** Decrypts sectors in CBC mode: one ECB pass, then each block XORed with the ciphertext before it. */
export function createCbcDecrypt(blocks: BlockCipher, vectors: SectorVectors): SectorTransform {
  const before = new Uint8Array(CHUNK_SECTORS * 512);
  return (data, firstSector) => {
    for (let at = 0; at < data.length; at += before.length) {
      const chunk = data.subarray(at, at + before.length);
      const first = vectors(firstSector + at / 512, chunk.length / 512);
      before.set(chunk.subarray(0, chunk.length - BLOCK), BLOCK);
      for (let i = 0; i < first.length; i += BLOCK)
        before.set(first.subarray(i, i + BLOCK), i * (512 / BLOCK));
      blocks(chunk, chunk);
      xorInto(chunk, before);
    }
  };
}

function xorInto(target: Uint8Array, mask: Uint8Array): void {
  const length = Math.min(target.length, mask.length);
  for (let i = 0; i < length; i++) target[i] = (target[i] ?? 0) ^ (mask[i] ?? 0);
}
