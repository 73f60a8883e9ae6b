import type { KeyObject } from "node:crypto";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { readSmallFile } from "./read-small-file.ts";
import { readPublicKeys } from "./public-keys.ts";
import { readSigningKey } from "./signing-key.ts";

/**
 * Whose signature counts: of the keys in `keyFile` alone; without one, of this host's own.
 * @throws `FileUnreadable`, `SigningKeyUnsafe`, `SignerUnknown`: there is neither
 */
export async function trustedKeys(
  statePath: string,
  keyFile: string | undefined,
): Promise<readonly KeyObject[]> {
  if (keyFile !== undefined) return readPublicKeys(await readSmallFile(keyFile), keyFile);
  const own = readSigningKey(statePath);
  if (own) return readPublicKeys(own.publicPem, "the signing key");
  throw new LuksmithError(
    "SignerUnknown",
    'this host has no signing key, so it cannot tell who signed; get the public key of the host that did ("luksmith receipt key") and name it with --key',
  );
}
