import type { WritableHost } from "../host.ts";
import { openSigningKey } from "../signing/index.ts";

/**
 * Whether the removal of disks shall leave receipts. If so, the host can sign: nothing is erased that could not be attested.
 * @throws `SigningKeyUnsafe`
 */
export async function requireReceipts({ config }: WritableHost): Promise<boolean> {
  if (!config.luksmith.erase_receipts) return false;
  await openSigningKey(config.luksmith.state_path);
  return true;
}
