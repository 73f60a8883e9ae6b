import type { Passphrase } from "@luksmith/luks";
import { token } from "../di/token.ts";
import type { OpContext } from "../image/op-context.ts";
import type { SecretInfo, SecretRef } from "./key-manager.ts";

/**
 * Sealed copies of passphrases on this host, for `[luksmith] secret_security = host`: with them the host opens its disks
 * without asking a user. The key manager stays the owner; a copy is made after its secret and removed before it.
 */
export interface HostCopies {
  readonly name: string;
  /** Durable when it returns. Idempotent: the same reference again replaces the copy. The passphrase stays the caller's. */
  put(secret: SecretRef & { readonly name: string }, passphrase: Passphrase, ctx: OpContext): Promise<void>;
  /**
   * Undefined: there is no copy, or one from before `since`, which is removed. The caller disposes what it gets.
   * @throws `SecretTampered`
   */
  get(ref: SecretRef, ctx: OpContext, since?: Date): Promise<Passphrase | undefined>;
  /** Idempotent. */
  delete(ref: SecretRef, ctx: OpContext): Promise<void>;
  /** `createdAt` is when the copy was put. */
  list(ctx: OpContext): AsyncIterable<SecretInfo>;
  close?(): Promise<void>;
}

export const HostCopiesToken = token<HostCopies>("luksmith.host-copies");
