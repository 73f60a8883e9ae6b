import { createCipheriv, createDecipheriv } from "node:crypto";
import { LuksError } from "../luks-error.ts";

/** Runs whole blocks of `input` through a cipher into `output`, which has the same length and may be the same bytes. */
export type BlockCipher = (input: Uint8Array, output: Uint8Array) => void;

/**
 * A cipher without padding that keeps its OpenSSL state between calls. `key` is not kept.
 *
 * @param options - `wipe`: also wipe OpenSSL's copy of each result, because it is key material
 * @throws LuksError `LuksCipherUnsupported` when OpenSSL has no such cipher
 */
export function createBlockCipher(
  algorithm: string,
  key: Uint8Array,
  direction: "encrypt" | "decrypt",
  { iv = null, wipe = false }: { iv?: Uint8Array | null; wipe?: boolean } = {},
): BlockCipher {
  const create = direction === "encrypt" ? createCipheriv : createDecipheriv;
  let cipher: ReturnType<typeof createCipheriv> | ReturnType<typeof createDecipheriv>;
  try {
    cipher = create(algorithm, key, iv);
  } catch (cause) {
    throw new LuksError("LuksCipherUnsupported", `OpenSSL has no ${algorithm} here`, {
      details: { algorithm },
      cause,
    });
  }
  cipher.setAutoPadding(false);
  return (input, output) => {
    const result = cipher.update(input);
    output.set(result);
    if (wipe) result.fill(0);
    release(result);
  };
}

/**
 * Frees the memory of a result at once. Left to the garbage collector, each chunk would be written to fresh pages, which
 * halves the speed of the whole sector cipher.
 */
function release(result: Buffer<ArrayBuffer>): void {
  if (result.byteLength > 0 && result.byteLength === result.buffer.byteLength) result.buffer.transfer(0);
}
