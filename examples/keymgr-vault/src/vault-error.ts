import { LuksmithError } from "@luksmith/core";
import { NoAnswer, type VaultAnswer } from "./vault-http.ts";

/** Why Vault cannot be had now, besides the reasons of `NoAnswer`. */
export type Outage = "sealed" | "standby" | "not-initialized" | "rate-limited" | "stale" | "failed";

/** An answer that is none of those that were hoped for. */
export class VaultRefusal extends Error {
  override readonly name = "VaultRefusal";
  readonly status: number;
  /** What Vault itself says; undefined: it is not Vault that answered, but something before it. */
  readonly said: readonly string[] | undefined;
  /** Of a version that was deleted or destroyed. */
  readonly metadata: unknown;
  readonly retryAfterMs: number | undefined;
  /** From `sys/health`, where the answer alone does not tell. */
  health: Outage | undefined;

  constructor({ status, bytes, retryAfterMs }: VaultAnswer) {
    const { errors, metadata } = parse(bytes);
    super(`it answered ${status}${errors?.length ? ` "${errors.join("; ")}"` : ""}`);
    this.status = status;
    this.said = errors;
    this.metadata = metadata;
    this.retryAfterMs = retryAfterMs;
  }

  /**
   * Vault's own way to say that nothing is there: no error, or a version that was deleted. A 404 of a proxy, a wrong mount or a
   * wrong version of the engine comes with a word about it, and proves nothing.
   */
  get isAbsent(): boolean {
    return this.status === 404 && this.said?.length === 0;
  }

  /** A version is there already. */
  get isTaken(): boolean {
    return this.status === 400 && this.#says(/check-and-set parameter did not match/);
  }

  get outage(): Outage | undefined {
    const { status } = this;
    if (status === 412) return "stale";
    if (status === 429 && this.#says(/quota|rate limit|too many requests/i)) return "rate-limited";
    if (status >= 500 && this.#says(/is sealed/i)) return "sealed";
    if (this.health) return this.health;
    // As `sys/health` has it; a load balancer may pass it on.
    if (status === 429 || status === 472 || status === 473) return "standby";
    if (status === 501) return "not-initialized";
    return status >= 500 ? "failed" : undefined;
  }

  #says(pattern: RegExp): boolean {
    return this.said?.some((text) => pattern.test(text)) ?? false;
  }
}

function parse(bytes: Uint8Array): { errors?: readonly string[]; metadata?: unknown } {
  try {
    const body: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    if (typeof body !== "object" || body === null) return {};
    const data = "data" in body ? body.data : undefined;
    if ("errors" in body && Array.isArray(body.errors)) return { errors: body.errors.map(String) };
    // A deleted version is answered with 404 and its metadata, and without errors.
    const has = typeof data === "object" && data !== null && "metadata" in data;
    return has ? { errors: [], metadata: data.metadata } : {};
  } catch {
    return {};
  }
}

/** What was being done, for messages. */
export interface Attempt {
  /** `store the secret "…"`; completes "Vault would not …". */
  readonly action: string;
  readonly id?: string;
  /** Something may have been made before the failure. */
  readonly maybeDone?: boolean;
}

const REMEDY: Readonly<Record<Outage | NoAnswer["reason"], string>> = {
  sealed: "Vault is sealed; unseal it",
  standby: "this node is a standby that passes nothing on; name the active one, or the load balancer, in url",
  "not-initialized": "Vault was never initialized; do that first",
  "rate-limited": "Vault limits how often it may be asked; raise the quota or lower max_concurrent",
  stale: "this node had not heard of the last change yet; try again",
  failed: "Vault, or what is before it, is in trouble; look at its log and try again",
  unreachable: "see that url is right and Vault runs, and try again",
  timeout: "see whether Vault is busy, or raise timeout",
  protocol: "look at what is between this host and Vault",
};

/** Says what a failed request means for a key manager; what is neither of ours is passed on. */
export function vaultError(error: unknown, { action, id, maybeDone }: Attempt): unknown {
  if (!(error instanceof NoAnswer) && !(error instanceof VaultRefusal)) return error;
  const refusal = error instanceof VaultRefusal ? error : undefined;
  const reason = refusal ? refusal.outage : (error as NoAnswer).reason;
  const status = refusal ? { status: refusal.status } : {};
  const made = maybeDone === undefined ? {} : { maybeDone };
  const details = { ...(id === undefined ? {} : { id }), ...status, ...made, ...(reason ? { reason } : {}) };
  if (reason !== undefined) {
    return new LuksmithError(
      "KeyManagerUnavailable",
      `Vault could not ${action}: ${error.message}; ${REMEDY[reason]}`,
      { cause: error, details },
    );
  }
  if (refusal?.isAbsent && id !== undefined) {
    return new LuksmithError("EphemeralEncryptionSecretNotFound", absent(refusal, id), {
      cause: error,
      details,
    });
  }
  return new LuksmithError(
    "ServiceRefused",
    `Vault would not ${action}: ${error.message}; see that url, namespace, mount and prefix are right, and that a KV engine of version 2 is there`,
    { cause: error, details, retryable: false },
  );
}

function absent({ metadata }: VaultRefusal, id: string): string {
  const text = JSON.stringify(metadata ?? null);
  if (/"destroyed":\s*true/.test(text)) return `Vault has destroyed the secret ${id}; it cannot be had back`;
  const deleted = /"deletion_time":\s*"([^"]+)"/.exec(text)?.[1];
  if (deleted !== undefined) {
    return `the secret ${id} was deleted in Vault at ${deleted}, not by Luksmith; undelete its version 1 (vault kv undelete) if its disk is still wanted`;
  }
  return `Vault has no secret ${id}; it was deleted, or another mount, prefix, namespace or key manager has it`;
}
