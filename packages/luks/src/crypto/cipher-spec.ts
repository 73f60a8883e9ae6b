import { getCiphers, getHashes } from "node:crypto";
import { LuksError } from "../luks-error.ts";

/** How a sector's number becomes its initialization vector (dm-crypt's generators of the same names). */
export type SectorIv =
  | { kind: "plain" | "plain64" | "plain64be" }
  | { kind: "essiv"; hash: string }
  | { kind: "none" };

/** What a header's cipher name, cipher mode and key size mean to OpenSSL. */
export interface CipherSpec {
  /** The block cipher in ECB mode by its OpenSSL name, such as `aes-256-ecb`: every mode here is built on it. */
  ecb: string;
  chaining: "xts" | "cbc" | "ecb";
  iv: SectorIv;
}

/** Block ciphers with 16-byte blocks that both dm-crypt and OpenSSL name this way. */
const FAMILIES = new Set(["aes", "camellia"]);

const unsupported = (message: string, details: Record<string, unknown>): LuksError =>
  new LuksError("LuksCipherUnsupported", message, { details });

/**
 * Reads the cipher of a header: `xts`, `cbc` or `ecb` chaining, with the `plain`, `plain64`, `plain64be` or `essiv:HASH`
 * vector. Upper case is accepted, as in cryptsetup. The hash that QEMU may append (`xts-plain64:sha256`) is ignored.
 *
 * @throws LuksError `LuksCipherUnsupported`
 */
export function parseCipherSpec(cipherName: string, cipherMode: string, keyBytes: number): CipherSpec {
  const family = cipherName.toLowerCase();
  const match = /^(xts|cbc|ecb)(?:-([a-z0-9]+)(?::([a-z0-9-]+))?)?$/u.exec(cipherMode.toLowerCase());
  const details = { cipherName, cipherMode, keyBytes };
  if (!FAMILIES.has(family) || match === null) {
    throw unsupported(`the cipher ${cipherName}-${cipherMode} is not supported`, details);
  }
  const [, mode, generator, hash] = match;
  const chaining = mode === "xts" || mode === "cbc" ? mode : "ecb";
  const ecb = `${family}-${(chaining === "xts" ? keyBytes / 2 : keyBytes) * 8}-ecb`;
  if (!getCiphers().includes(ecb)) {
    throw unsupported(`${cipherName}-${cipherMode} has no key of ${keyBytes} bytes`, details);
  }
  return { ecb, chaining, iv: parseIv(chaining, generator, hash, details) };
}

function parseIv(
  chaining: CipherSpec["chaining"],
  generator: string | undefined,
  hash: string | undefined,
  details: Record<string, unknown>,
): SectorIv {
  if (chaining === "ecb") return { kind: "none" };
  if (generator === "plain" || generator === "plain64" || generator === "plain64be")
    return { kind: generator };
  if (generator === "essiv" && hash !== undefined) return { kind: "essiv", hash: parseHashSpec(hash) };
  throw unsupported(`the sector vector of ${String(details["cipherMode"])} is not supported`, details);
}

/** Hashes that cryptsetup offers for LUKS1 and OpenSSL may have. */
const HASHES = new Set(["sha1", "sha224", "sha256", "sha384", "sha512", "ripemd160", "whirlpool"]);

/**
 * The OpenSSL name of a header's hash.
 *
 * @throws LuksError `LuksCipherUnsupported`
 */
export function parseHashSpec(hashSpec: string): string {
  const hash = hashSpec.toLowerCase();
  if (!HASHES.has(hash) || !getHashes().includes(hash)) {
    throw unsupported(`the hash ${hashSpec} is not supported`, { hashSpec });
  }
  return hash;
}
