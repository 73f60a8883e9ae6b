import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What is stored of a secret: the nonce, and the ciphertext with its 16-byte tag at the end. */
export interface SealedBox {
  readonly nonce: Uint8Array;
  readonly wrapped: Uint8Array;
}

/**
 * What a box is bound to. Each field goes in with its length before it, so that no two lists of fields give the same
 * bytes (`["ab", "c"]` is not `["a", "bc"]`).
 */
export type Binding = readonly string[];

/** Seals `plain`, which stays the caller's, under a 32-byte key with a random nonce. */
export function seal(key: Uint8Array, plain: Uint8Array, binding: Binding): SealedBox {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(encodeBinding(binding));
  const wrapped = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return { nonce, wrapped };
}

/**
 * The sealed bytes, which the caller wipes; `undefined` when the key, the box or the binding is not the one it was
 * sealed with. Which of them, nobody can tell.
 */
export function unseal(key: Uint8Array, box: SealedBox, binding: Binding): Uint8Array | undefined {
  if (box.nonce.length !== NONCE_BYTES || box.wrapped.length <= TAG_BYTES) return undefined;
  const end = box.wrapped.length - TAG_BYTES;
  const decipher = createDecipheriv(ALGORITHM, key, box.nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(encodeBinding(binding));
  decipher.setAuthTag(box.wrapped.subarray(end));
  const plain = decipher.update(box.wrapped.subarray(0, end));
  try {
    decipher.final();
    return plain;
  } catch {
    // GCM hands out bytes before it has checked them.
    plain.fill(0);
    return undefined;
  }
}

function encodeBinding(binding: Binding): Uint8Array {
  return Buffer.concat(
    binding.flatMap((field) => {
      const text = Buffer.from(field, "utf8");
      const length = Buffer.alloc(4);
      length.writeUInt32BE(text.length);
      return [length, text];
    }),
  );
}
