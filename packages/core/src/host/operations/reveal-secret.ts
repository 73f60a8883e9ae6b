import { userInfo } from "node:os";
import type { Passphrase } from "@luksmith/luks";
import type { OpContext } from "../../image/op-context.ts";
import type { WritableHost } from "../host.ts";

export interface RevealRequest {
  /** The secret's id. */
  readonly id: string;
  /** Who asks, where it is not who runs this process. */
  readonly who?: string;
}

/**
 * Gets a passphrase out for a person; the audit trail has it before it is given. The caller disposes it.
 * @throws `EphemeralEncryptionSecretNotFound`
 */
export async function revealSecret(
  host: WritableHost,
  { id, who = invoker() }: RevealRequest,
  ctx: OpContext,
): Promise<Passphrase> {
  const services = await host.services();
  host.inventory.audit({ who, action: "secret.reveal", subject: id, requestId: ctx.requestId });
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
