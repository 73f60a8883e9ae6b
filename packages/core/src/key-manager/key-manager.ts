import type { GeneratedPassphrase, Passphrase } from "@luksmith/luks";
import { token } from "../di/token.ts";
import type { TokenHolder } from "../audit/audit-event.ts";
import type { OpContext } from "../image/op-context.ts";

/** Points at a secret in a key manager; safe to store, log and print. */
export interface SecretRef {
  /** A UUID, as in `encryption_secret_uuid`. */
  readonly id: string;
}

/** A secret's public side. */
export interface SecretInfo extends SecretRef {
  readonly name: string;
  /** ISO 8601. */
  readonly createdAt: string;
}

export interface CreateSecret {
  /** Unique for one disk; recovery finds a secret by it when the answer to `create` was lost. */
  readonly name: string;
  /** Stays the caller's, who disposes it. */
  readonly passphrase: GeneratedPassphrase;
  /** What the secret is for, where the key manager keeps note of consumers. */
  readonly consumer?: SecretConsumer;
}

/** As Barbican's consumers: https://docs.openstack.org/barbican/latest/api/reference/consumers.html */
export interface SecretConsumer {
  readonly resourceType: "disk" | "snapshot";
  /** The disk's or snapshot's UUID. */
  readonly resourceId: string;
}

export interface SecretFilter {
  /** Exact match. */
  readonly name?: string;
}

/**
 * Where passphrases live. Plugins provide one. A secret is of type passphrase, its payload the passphrase's bytes
 * verbatim. Errors keep apart: absent (`EphemeralEncryptionSecretNotFound`), nobody known asks (`TokenMissing`,
 * `TokenRefused`), denied (`PermissionDenied`), no room (`QuotaExceeded`), service away (`KeyManagerUnavailable`,
 * retryable), altered (`SecretTampered`).
 */
export interface KeyManager {
  readonly name: string;
  /**
   * Durable when it returns. Not idempotent: calling twice makes two secrets of one name. An error whose
   * `details.maybeDone` is false says that nothing was made for certain; after any other, look by name.
   */
  create(request: CreateSecret, ctx: OpContext): Promise<SecretRef>;
  /**
   * The caller disposes what it gets.
   * @throws `EphemeralEncryptionSecretNotFound`, `SecretTampered`
   */
  get(ref: SecretRef, ctx: OpContext): Promise<Passphrase>;
  /** Idempotent: a secret that is not there is success. */
  delete(ref: SecretRef, ctx: OpContext): Promise<void>;
  /** Ours only, in no order; required of a key manager whose `create` can lose its answer. */
  list?(filter: SecretFilter, ctx: OpContext): AsyncIterable<SecretInfo>;
  /**
   * Whose secrets `create` and `list` mean for this caller, where that depends on the caller: a project's id. Whoever asks
   * as somebody else finds nothing, which proves nothing; so journals note it. Undefined: the same for all.
   */
  scope?(ctx: OpContext): Promise<string | undefined>;
  /**
   * Whose token is used for this caller, for the audit log and for limits: a user, or the host's own account. Cheap after a
   * call that it goes with. Undefined: none was needed. Left out: no tokens are used.
   */
  caller?(ctx: OpContext): Promise<TokenHolder | undefined>;
  /** Called once when the host stops. */
  close?(): Promise<void>;
}

/** The name under which a disk's secret is stored: Nova's text, so that both agents recognise it. */
export function secretName(instanceUuid: string, bdmUuid: string): string {
  return `Ephemeral encryption secret for instance ${instanceUuid} BDM ${bdmUuid}`;
}

/** The name of the one key of all disks of an instance, under the old host-wide encryption. */
export function sharedSecretName(instanceUuid: string): string {
  return `Ephemeral encryption secret for instance ${instanceUuid} all disks`;
}

/** The host has exactly one key manager. */
export const KeyManagers = token<KeyManager>("luksmith.key-manager");
