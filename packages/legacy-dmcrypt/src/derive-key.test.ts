import { Passphrase } from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { deriveKey } from "./derive-key.ts";

/** As Nova gives a 32-byte key 00, 01, … 1f to cryptsetup: lowercase hexadecimal, no newline. */
const HEX = Buffer.from(Uint8Array.from({ length: 32 }, (_, index) => index)).toString("hex");

function derived(text: string | Uint8Array, options: Parameters<typeof deriveKey>[1]): string {
  using passphrase = new Passphrase(Buffer.from(text));
  using key = deriveKey(passphrase, options);
  return key.use((bytes) => Buffer.from(bytes).toString("hex"));
}

/** hash and bits, and what came of them. */
const RECORDED = [
  { hash: "ripemd160", key_size: 128, expected: "543317950f1817f3fc5152532a196b15" },
  {
    hash: "ripemd160",
    key_size: 256,
    expected: "543317950f1817f3fc5152532a196b15d5e426136cd2393a8710011f6844a477",
  },
  {
    hash: "ripemd160",
    key_size: 512,
    expected:
      "543317950f1817f3fc5152532a196b15d5e426136cd2393a8710011f6844a4776d9fbc2fcddf5831ce433343688a0949d77b08cb412f2578fe45bf31c34783ee",
  },
  { hash: "sha1", key_size: 128, expected: "4c6a606a90bd84c0402ee2a81783d6e8" },
  {
    hash: "sha1",
    key_size: 256,
    expected: "4c6a606a90bd84c0402ee2a81783d6e844f28548cbf96d208f19d670ffd84e51",
  },
  {
    hash: "sha1",
    key_size: 512,
    expected:
      "4c6a606a90bd84c0402ee2a81783d6e844f28548cbf96d208f19d670ffd84e519cc45eba31159cc60056e80afb041a44fd28b6387b408f68eeb925f7c4e1ba42",
  },
  { hash: "sha256", key_size: 128, expected: "6c86c6aac5fb24bcf5d9939cb7d7d564" },
  {
    hash: "sha256",
    key_size: 256,
    expected: "6c86c6aac5fb24bcf5d9939cb7d7d5645ce39418f449e03b262dd4fa14b4b92b",
  },
  {
    hash: "sha256",
    key_size: 512,
    expected:
      "6c86c6aac5fb24bcf5d9939cb7d7d5645ce39418f449e03b262dd4fa14b4b92b38299db37ecf9ebd94c76caaac1229820fd0cf214f14ce1fc343adc0180db026",
  },
  { hash: "sha512", key_size: 128, expected: "7f9d357a1a2cfb5d7367e7393a4b0594" },
  {
    hash: "sha512",
    key_size: 256,
    expected: "7f9d357a1a2cfb5d7367e7393a4b0594ae88bf2eefa37ced94e8cd4ed64b1e2e",
  },
  {
    hash: "sha512",
    key_size: 512,
    expected:
      "7f9d357a1a2cfb5d7367e7393a4b0594ae88bf2eefa37ced94e8cd4ed64b1e2e87428f37d98e8d5c9297688a88541f319d409a99412549e39fdefcebc57956d3",
  },
] as const;

// What `dmsetup table --showkeys` shows after `cryptsetup create … --key-file=-` of cryptsetup 2.6.1.
describe("deriveKey makes the volume key that cryptsetup makes", () => {
  const cipher = "aes-xts-plain64";

  test.each(RECORDED)("hash $hash, $key_size bits", ({ hash, key_size, expected }) => {
    expect(derived(HEX, { cipher, key_size, hash })).toBe(expected);
  });

  test("the cipher's words are LUKS's", () => {
    using passphrase = new Passphrase(Buffer.from(HEX));
    using key = deriveKey(passphrase, { cipher: "aes-cbc-essiv:sha256", key_size: 256, hash: "sha256" });
    expect([key.cipherName, key.cipherMode, key.length]).toEqual(["aes", "cbc-essiv:sha256", 32]);
  });
});
