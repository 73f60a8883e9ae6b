import type { WritableHost } from "../host.ts";
import { openSigningKey } from "../signing/index.ts";

/**
 * Where the removal of disks shall leave receipts, makes sure that the host can sign: nothing is erased that could not be attested. The last that
 * is looked at before anything changes, for it may make the key.
 * @throws `SigningKeyUnsafe`
 */
export async function requireReceipts({ config }: WritableHost): Promise<void> {
  if (config.luksmith.erase_receipts) await openSigningKey(config.luksmith.state_path);
}
