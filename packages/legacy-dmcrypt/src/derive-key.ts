import { createHash } from "node:crypto";
import { type Passphrase, VolumeKey } from "@luksmith/core";
import type { PlainOptions } from "./plain-options.ts";

/**
 * The volume key that cryptsetup's plain mode makes of what it reads on standard input (`--key-file=-`): the hash of it,
 * then the hash of "A" and it, then of "AA" and it, as much as is needed (`hash` in lib/crypt_plain.c). The caller disposes it.
 */
export function deriveKey(
  passphrase: Passphrase,
  { cipher, key_size, hash }: Pick<PlainOptions, "cipher" | "key_size" | "hash">,
): VolumeKey {
  const key = new Uint8Array(key_size / 8);
  for (let done = 0, round = 0; done < key.length; round += 1) {
    const digest = passphrase.use((bytes) =>
      createHash(hash).update("A".repeat(round)).update(bytes).digest(),
    );
    key.set(digest.subarray(0, key.length - done), done);
    done += digest.length;
    digest.fill(0);
  }
  const [cipherName = "", ...mode] = cipher.split("-");
  return VolumeKey.take(key, { cipherName, cipherMode: mode.join("-") });
}
