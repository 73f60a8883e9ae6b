import type { BlockCipher } from "./block-cipher.ts";
import type { SectorVectors } from "./sector-vectors.ts";
import { CHUNK_SECTORS, type XtsKernel } from "./xts-kernel.ts";

/** XTS over consecutive sectors, in place. */
export type SectorTransform = (data: Uint8Array, firstSector: number) => void;

/**
 * XTS (IEEE 1619-2007) for 512-byte sectors: one ECB pass over many sectors, masked with the tweaks before and after.
 * OpenSSL's own XTS would need a new cipher object for every sector, which is some twenty times slower.
 *
 * @param blocks - the block cipher with the first half of the key, either direction
 * @param tweaks - the block cipher with the second half, always encrypting
 */
export function createXts(
  blocks: BlockCipher,
  tweaks: BlockCipher,
  vectors: SectorVectors,
  kernel: XtsKernel,
): SectorTransform {
  const chunkBytes = CHUNK_SECTORS * 512;
  return (data, firstSector) => {
    const resident = kernel.holds(data);
    for (let at = 0; at < data.length; at += chunkBytes) {
      const part = data.subarray(at, at + chunkBytes);
      const chunk = resident ? part : kernel.scratch.subarray(0, part.length);
      if (!resident) chunk.set(part);
      const sectors = part.length / 512;
      tweaks(vectors(firstSector + at / 512, sectors), kernel.tweaks);
      kernel.mask(chunk);
      blocks(chunk, chunk);
      kernel.mask(chunk);
      if (!resident) part.set(chunk);
    }
  };
}
