import { userInfo } from "node:os";
import type { Passphrase } from "@luksmith/luks";
import type { OpContext } from "../../image/op-context.ts";
import type { WritableHost } from "../host.ts";

export interface RevealRequest {
  /** The secret's id. */
  readonly id: string;
}

/**
 * Gets a passphrase out for a person; the audit log has it before it is given, as each use of a key. The caller disposes it.
 * @throws `EphemeralEncryptionSecretNotFound`
 */
export async function revealSecret(
  host: WritableHost,
  { id }: RevealRequest,
  ctx: OpContext,
): Promise<Passphrase> {
  const services = await host.services();
  return services.keys.get({ id }, ctx);
}

/** The user behind sudo where there is one: the trail should name a person. */
export function invoker(): string {
  const { uid } = userInfo();
  const sudo = process.env["SUDO_USER"];
  return sudo ? `${sudo} (uid ${uid})` : `${accountName()} (uid ${uid})`;
}

function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    return "unknown";
  }
}
