import { LuksError } from "../luks-error.ts";
import type { VolumeKey } from "../keys/volume-key.ts";
import { type BlockCipher, createBlockCipher } from "./block-cipher.ts";
import { createCbcDecrypt, createCbcEncrypt } from "./cbc.ts";
import { type CipherSpec, parseCipherSpec } from "./cipher-spec.ts";
import { BLOCK, createSectorVectors } from "./sector-vectors.ts";
import { CHUNK_SECTORS, sharedXtsKernel, type XtsKernel } from "./xts-kernel.ts";
import { createXts, type SectorTransform } from "./xts.ts";

/** Encrypts and decrypts whole 512-byte sectors of a container's payload. */
export interface SectorCipher {
  readonly sectorSize: 512;
  /**
   * @param data - whole sectors, changed in place unless `out` is given
   * @param firstSector - number of the first one, counted from the payload offset, 0 to 2^53 - 1
   * @param out - as long as `data`; may be the same bytes
   * @throws LuksError `LuksRequestInvalid` for a part of a sector or an impossible sector number
   */
  encrypt(data: Uint8Array, firstSector: number, out?: Uint8Array): void;
  /** The reverse of `encrypt`, with the same parameters. */
  decrypt(data: Uint8Array, firstSector: number, out?: Uint8Array): void;
}

/**
 * Makes the sector cipher of an unlocked container. The volume key may be disposed afterwards: OpenSSL keeps the key
 * schedule until the cipher is collected.
 *
 * @throws LuksError `LuksCipherUnsupported`
 */
export function createSectorCipher(volumeKey: VolumeKey): SectorCipher {
  return volumeKey.use((key) => sectorCipherOf(volumeKey, key));
}

/**
 * The same from the bytes of a key.
 *
 * @param options - `kernel`: one whose buffers the data lies in already; `wipe`: the data is key material
 */
export function sectorCipherOf(
  { cipherName, cipherMode }: { cipherName: string; cipherMode: string },
  key: Uint8Array,
  { kernel = sharedXtsKernel(), wipe = false }: { kernel?: XtsKernel; wipe?: boolean } = {},
): SectorCipher {
  const spec = parseCipherSpec(cipherName, cipherMode, key.length);
  const { encrypt, decrypt } = transforms(spec, cipherName.toLowerCase(), key, kernel, wipe);
  return { sectorSize: 512, encrypt: checked(encrypt), decrypt: checked(decrypt) };
}

function transforms(
  { ecb, chaining, iv }: CipherSpec,
  family: string,
  key: Uint8Array,
  kernel: XtsKernel,
  wipe: boolean,
): { encrypt: SectorTransform; decrypt: SectorTransform } {
  const vectors = createSectorVectors(iv, family, key, CHUNK_SECTORS);
  const blocks = (part: Uint8Array, direction: "encrypt" | "decrypt"): BlockCipher =>
    createBlockCipher(ecb, part, direction, { wipe });
  if (chaining === "xts") {
    const dataKey = key.subarray(0, key.length / 2);
    const tweaks = blocks(key.subarray(key.length / 2), "encrypt");
    return {
      encrypt: createXts(blocks(dataKey, "encrypt"), tweaks, vectors, kernel),
      decrypt: createXts(blocks(dataKey, "decrypt"), tweaks, vectors, kernel),
    };
  }
  const decrypt = blocks(key, "decrypt");
  if (chaining === "ecb") {
    const encrypt = blocks(key, "encrypt");
    return { encrypt: (data) => encrypt(data, data), decrypt: (data) => decrypt(data, data) };
  }
  const cbc = ecb.replace(/ecb$/u, "cbc");
  const chain = createBlockCipher(cbc, key, "encrypt", { iv: new Uint8Array(BLOCK), wipe });
  return { encrypt: createCbcEncrypt(chain, vectors), decrypt: createCbcDecrypt(decrypt, vectors) };
}

function checked(transform: SectorTransform): SectorCipher["encrypt"] {
  return (data, firstSector, out = data) => {
    if (data.length % 512 !== 0 || out.length !== data.length) {
      throw new LuksError("LuksRequestInvalid", `${data.length} bytes are not a number of whole sectors`);
    }
    if (!Number.isSafeInteger(firstSector) || firstSector < 0) {
      throw new LuksError("LuksRequestInvalid", `${firstSector} is not a sector number`);
    }
    if (out !== data) out.set(data);
    transform(out, firstSector);
  };
}
