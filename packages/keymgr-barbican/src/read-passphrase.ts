import { LuksmithError, type OpContext, Passphrase, type TokenSource } from "@luksmith/core";
import type { BarbicanApi } from "./barbican-api.ts";

/**
 * A passphrase is its payload to the byte. Keys that Cinder and os-brick made for encrypted images are of other types,
 * and their passphrase is the payload in hexadecimal.
 * @throws `InvalidRequest` for what cannot be a disk's passphrase
 */
export async function readPassphrase(
  api: BarbicanApi,
  id: string,
  as: TokenSource,
  ctx: OpContext,
): Promise<Passphrase> {
  const metadata = await api.metadata(id, as, ctx);
  const verbatim = metadata.secret_type === "passphrase";
  if (!verbatim && metadata.secret_type !== "symmetric" && metadata.secret_type !== "opaque") {
    throw new LuksmithError(
      "InvalidRequest",
      `the secret ${id} is of type ${metadata.secret_type}, which opens no disk: a passphrase or a symmetric key is needed`,
      { details: { id, secretType: metadata.secret_type } },
    );
  }
  // Without a payload there are no content types: Barbican says so when it is asked for it.
  const type = metadata.content_types?.["default"] ?? (verbatim ? "text/plain" : "application/octet-stream");
  const payload = await api.payload(id, type, as, ctx);
  try {
    if (payload.length > 0) return verbatim ? new Passphrase(payload) : inHex(payload);
    throw new LuksmithError("InvalidRequest", `the payload of secret ${id} is empty`, { details: { id } });
  } finally {
    payload.fill(0);
  }
}

/** As bytes: a string could not be wiped. */
function inHex(payload: Uint8Array): Passphrase {
  const hex = new Uint8Array(payload.length * 2);
  for (const [index, byte] of payload.entries()) {
    hex[index * 2] = digit(byte >> 4);
    hex[index * 2 + 1] = digit(byte & 15);
  }
  return Passphrase.take(hex);
}

function digit(value: number): number {
  return value < 10 ? 0x30 + value : 0x57 + value;
}
