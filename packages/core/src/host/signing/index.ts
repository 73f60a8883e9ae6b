export { type Envelope, readUnverified, signEnvelope, type Verified, verifyEnvelope } from "./envelope.ts";
export { keyIdOf, publicPem, readPublicKeys } from "./public-keys.ts";
export { openSigningKey, readSigningKey, SIGNING_KEY_FILE, type SigningKey } from "./signing-key.ts";
export { readSmallFile, readSmallJson } from "./read-small-file.ts";
export { trustedKeys } from "./trusted-keys.ts";
