import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { foldStripesReference, mergeKey, splitKey } from "./anti-forensic.ts";
import { foldStripesSha256 } from "./sha256-chain.ts";

describe("the SHA-256 kernel", () => {
  it.each([32, 64])("folds %i-byte stripes as the reference does", (keyBytes) => {
    for (const count of [0, 1, 2, 3, 100, 3999]) {
      const stripes = randomBytes(count * keyBytes);
      const expected = Buffer.from(foldStripesReference(stripes, keyBytes, "sha256"));
      expect(Buffer.from(foldStripesSha256(stripes, keyBytes))).toEqual(expected);
    }
  });

  it("carries every bit pattern of a block", () => {
    for (const byte of [0, 0xff, 0x80, 0x01]) {
      const stripes = Buffer.alloc(3 * 64, byte);
      const expected = Buffer.from(foldStripesReference(stripes, 64, "sha256"));
      expect(Buffer.from(foldStripesSha256(stripes, 64))).toEqual(expected);
    }
  });
});

describe("anti-forensic splitting", () => {
  // Digests of 20 to 64 bytes: longer than the key, equal, dividing it, and leaving a rest.
  const hashes = ["sha1", "sha224", "sha256", "sha384", "sha512", "ripemd160"];

  it.each(hashes)("gets the key back with %s, whatever the key's size", (hash) => {
    for (const bytes of [16, 24, 32, 48, 64]) {
      const key = randomBytes(bytes);
      const material = splitKey(key, 50, hash);
      expect(material).toHaveLength(bytes * 50);
      expect(Buffer.from(mergeKey(material, bytes, hash))).toEqual(key);
    }
  });

  it("loses the key with one bit of any stripe", () => {
    const key = randomBytes(64);
    const material = splitKey(key, 4000, "sha256");
    for (const at of [0, 64 * 2000 + 5, material.length - 1]) {
      const damaged = new Uint8Array(material);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      expect(Buffer.from(mergeKey(damaged, 64, "sha256"))).not.toEqual(key);
    }
  });

  it("never splits the same way twice", () => {
    const key = randomBytes(32);
    expect(splitKey(key, 10, "sha256")).not.toEqual(splitKey(key, 10, "sha256"));
  });
});
