import { LuksmithError } from "../../errors/luksmith-error.ts";
import { checkStateDirectory } from "../../journal/state-directory.ts";
import type { HostConfig } from "../../config/host-config.ts";
import { openSigningKey, type SigningKey } from "../signing/index.ts";

/**
 * The public half of the key that this host signs with; it is made if it was never needed. Takes no lock.
 * @throws `SigningKeyUnsafe`, `StateDirectoryUnsafe`
 */
export async function publicSigningKey({
  luksmith: { state_path: path },
}: HostConfig): Promise<Pick<SigningKey, "keyId" | "publicPem">> {
  if (!checkStateDirectory(path, { create: true })) {
    throw new LuksmithError("StateDirectoryUnsafe", `the state directory ${path} could not be made`);
  }
  const { keyId, publicPem } = await openSigningKey(path);
  return { keyId, publicPem };
}
