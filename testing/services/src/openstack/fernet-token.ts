import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";

const HEADER_BYTES = 1 + 8 + 16;
const HMAC_BYTES = 32;

/**
 * The same Keystone token with another end of life, made with Keystone's own key: Keystone keeps no list of the tokens
 * that it has issued. So a token can have expired already without anybody waiting.
 *
 * @param key the file of Keystone's primary key: 32 bytes as base64url
 * @param expiresAt seconds since 1970
 */
export function withExpiry(token: string, key: string, expiresAt: number): string {
  const keys = Buffer.from(key, "base64url");
  const bytes = Buffer.from(token, "base64url");
  const decipher = createDecipheriv("aes-128-cbc", keys.subarray(16), bytes.subarray(9, HEADER_BYTES));
  const payload = Buffer.concat([
    decipher.update(bytes.subarray(HEADER_BYTES, -HMAC_BYTES)),
    decipher.final(),
  ]);
  payload.writeDoubleBE(expiresAt, expiryOffset(payload));
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-128-cbc", keys.subarray(16), iv);
  const head = Buffer.concat([bytes.subarray(0, 9), iv, cipher.update(payload), cipher.final()]);
  const hmac = createHmac("sha256", keys.subarray(0, 16)).update(head).digest();
  return Buffer.concat([head, hmac]).toString("base64url");
}

/** The payload is msgpack; its only float64 (tag 0xcb) that is a time of these years is the expiry. */
function expiryOffset(payload: Buffer): number {
  const now = Date.now() / 1000;
  for (
    let at = payload.indexOf(0xcb);
    at !== -1 && at + 9 <= payload.length;
    at = payload.indexOf(0xcb, at + 1)
  ) {
    if (Math.abs(payload.readDoubleBE(at + 1) - now) < 1e8) return at + 1;
  }
  throw new Error("no expiry in this token: is it one of Keystone's?");
}
