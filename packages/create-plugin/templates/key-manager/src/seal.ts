import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Nonce, ciphertext and tag. What is sealed can be opened only together with the text it is bound to. */
export function seal(key: Uint8Array, plain: Uint8Array, binding: string): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce);
  cipher.setAAD(Buffer.from(binding));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** The caller wipes what it gets; undefined when anything is not as it was sealed. */
export function unseal(key: Uint8Array, sealed: Uint8Array, binding: string): Uint8Array | undefined {
  const end = sealed.length - TAG_BYTES;
  if (end <= NONCE_BYTES) return undefined;
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, NONCE_BYTES));
  decipher.setAAD(Buffer.from(binding));
  decipher.setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(NONCE_BYTES, end));
  try {
    decipher.final();
    return Uint8Array.from(plain);
  } catch {
    return undefined;
  } finally {
    // Bytes are handed out before they are checked.
    plain.fill(0);
  }
}
