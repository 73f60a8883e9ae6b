import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { LuksmithError } from "../../errors/luksmith-error.ts";

/** A key's name: the digest of its public half. Two keys never share one. */
export function keyIdOf(key: KeyObject): string {
  const half = key.type === "private" ? createPublicKey(key) : key;
  const digest = createHash("sha256").update(half.export({ type: "spki", format: "der" }));
  return `SHA256:${digest.digest("base64").replaceAll("=", "")}`;
}

export function publicPem(key: KeyObject): string {
  const half = key.type === "private" ? createPublicKey(key) : key;
  return String(half.export({ type: "spki", format: "pem" }));
}

/**
 * Ed25519 public keys in PEM, one after the other; other text between them is let be.
 * @param what for people: the file's name
 * @throws `FileUnreadable`: there is none, or one of another kind
 */
export function readPublicKeys(pem: string, what: string): readonly KeyObject[] {
  if (pem.includes("PRIVATE KEY")) {
    throw unreadable(
      `${what} holds a private key, which must not leave its host; give the public one ("luksmith receipt key")`,
    );
  }
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----/g) ?? [];
  if (blocks.length === 0) throw unreadable(`${what} holds no public key in PEM`);
  return blocks.map((block) => readPublicKey(block, what));
}

function readPublicKey(block: string, what: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(block);
  } catch (error) {
    throw unreadable(`${what} holds a public key that cannot be read`, error);
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  throw unreadable(`${what} holds a key of the kind ${key.asymmetricKeyType ?? "unknown"}, not ed25519`);
}

function unreadable(message: string, cause?: unknown): LuksmithError {
  return new LuksmithError("FileUnreadable", message, cause === undefined ? {} : { cause });
}
