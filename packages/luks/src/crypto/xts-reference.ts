import type { BlockCipher } from "./block-cipher.ts";
import type { SectorVectors } from "./sector-vectors.ts";
import type { SectorTransform } from "./xts.ts";

/** What the XTS kernel does, in plain TypeScript: slower, and the measure that tests hold the kernel to. */
export function createXtsReference(
  blocks: BlockCipher,
  tweaks: BlockCipher,
  vectors: SectorVectors,
): SectorTransform {
  return (data, firstSector) => {
    const masks = new Uint8Array(data.length);
    for (let sector = 0; sector < data.length / 512; sector++) {
      const tweak = new Uint8Array(16);
      tweaks(vectors(firstSector + sector, 1), tweak);
      for (let at = sector * 512; at < (sector + 1) * 512; at += 16) {
        masks.set(tweak, at);
        multiplyByAlpha(tweak);
      }
    }
    const xor = (): void => masks.forEach((mask, i) => (data[i] = (data[i] ?? 0) ^ mask));
    xor();
    blocks(data, data);
    xor();
  };
}

/** Multiplies by alpha in GF(2^128), least significant byte first (IEEE 1619-2007, section 5.2). */
export function multiplyByAlpha(tweak: Uint8Array): void {
  let carry = 0;
  for (let i = 0; i < tweak.length; i++) {
    const byte = tweak[i] ?? 0;
    tweak[i] = (byte << 1) | carry;
    carry = byte >> 7;
  }
  if (carry === 1) tweak[0] = (tweak[0] ?? 0) ^ 0x87;
}
