import { LuksmithError } from "@luksmith/core";
import { isServiceError, type ServiceError } from "@luksmith/keystone";
import { type Caller, tokenRefused } from "./caller.ts";

/** What was being done, for messages. */
export interface Attempt {
  /** `store the secret "…"`; completes "Barbican would not …". */
  readonly action: string;
  /** The secret that was named; a creation has none. */
  readonly id?: string | undefined;
  readonly caller: Caller;
  /** An earlier try may have been carried out, whatever became of the last. */
  readonly maybeDone?: boolean;
}

type Details = Readonly<Record<string, unknown>>;

/** What other servers, and frameworks, call what they do not have. Barbican may speak another language than English. */
const GENERIC = /\b(resource|url|uri|page|path|route|endpoint)\b/i;

/**
 * Whether Barbican itself said that the secret is not there. A 404 of a proxy, of another service, or of Barbican for a
 * path that it does not have (without a word) proves nothing, and a secret that is taken for absent is never deleted.
 */
export function isAbsent(error: unknown): error is ServiceError {
  if (!isServiceError(error) || error.status !== 404 || error.detail === undefined) return false;
  return error.title?.toLowerCase() === "not found" && !GENERIC.test(error.detail);
}

/** Barbican understood and said no. */
export function isRefusal(error: unknown): boolean {
  return isServiceError(error) && [403, 404, 405, 406].includes(error.status ?? 0);
}

/** Whether the request may have been carried out. A server that answered nonsense, or 500, may have done it before. */
export function isAnswerLost(error: unknown): boolean {
  if (!isServiceError(error)) return false;
  return error.maybeDone || error.kind === "protocol" || (error.status ?? 0) >= 500;
}

/** The same error, saying that nothing was left in Barbican. */
export function nothingDone(error: unknown): unknown {
  if (!(error instanceof LuksmithError)) return error;
  const { code, message, details, cause, retryable } = error;
  return new LuksmithError(code, message, { details: { ...details, maybeDone: false }, cause, retryable });
}

/**
 * Says what a failed request means for a key manager, one code for each meaning; what is no `ServiceError` is passed on.
 * `details.status` is the HTTP status, `details.reason` how the request failed, and `details.maybeDone` is false where
 * surely nothing was changed.
 */
export function barbicanError(error: unknown, attempt: Attempt): unknown {
  if (!isServiceError(error)) return error;
  const { status, serviceRequestId, url, method, kind, attempts } = error;
  const maybeDone = attempt.maybeDone === true || isAnswerLost(error);
  const id = attempt.id === undefined ? {} : { id: attempt.id };
  const details = { ...id, status, reason: kind, serviceRequestId, method, url, attempts, maybeDone };
  if (kind === "unauthenticated" || status === 401) return tokenRefused("Barbican", error, details);
  if (status === 403) return denied(error, attempt, details);
  if (isAbsent(error) && attempt.id !== undefined) return absent(error, attempt.id, details);
  if (kind !== "status" || status === undefined || status >= 500 || status === 429) {
    return new LuksmithError(
      "KeyManagerUnavailable",
      `could not ${attempt.action}: ${error.message}; ${remedyOf(error)}`,
      { cause: error, details },
    );
  }
  const wrongPlace =
    status === 404 ? "; this is not how Barbican says it, so look at [barbican] barbican_endpoint" : "";
  return new LuksmithError(
    "ServiceRefused",
    `Barbican would not ${attempt.action}: ${saidBy(error)}${wrongPlace}`,
    { cause: error, details, retryable: false },
  );
}

function denied(error: ServiceError, attempt: Attempt, details: Details): LuksmithError {
  const { caller, action, id } = attempt;
  const { label, projectId, roles } = caller;
  const refusal = `Barbican would not ${action}`;
  if (/quota/i.test(error.detail ?? "")) {
    return new LuksmithError(
      "QuotaExceeded",
      `${refusal}: ${saidBy(error)}; delete secrets of project ${projectId} that nobody uses, or ask for a larger quota`,
      { cause: error, details: { ...details, projectId } },
    );
  }
  const why =
    id === undefined
      ? "The older policy asks for the role creator or admin, the newer one for member or admin; users with both member and creator are right with either"
      : "The secret belongs to another project, or another user has made it private, or these roles do not suffice (older policy: creator or admin, and observer to read; newer policy: member or admin)";
  return new LuksmithError(
    "PermissionDenied",
    `${refusal} for ${label}, who has the roles ${roles.join(", ") || "(none)"}: ${saidBy(error)} ${why}`,
    { cause: error, details: { ...details, projectId, roles } },
  );
}

function absent(error: ServiceError, id: string, details: Details): LuksmithError {
  const empty = /no payload/i.test(error.detail ?? "");
  return new LuksmithError(
    "EphemeralEncryptionSecretNotFound",
    `Barbican ${empty ? `keeps no payload in secret ${id}` : `has no secret ${id}`}; it was deleted, or another region or key manager has it`,
    { cause: error, details },
  );
}

function remedyOf({ kind }: ServiceError): string {
  return kind === "protocol" ? "look at what is between this host and Barbican" : "try again later";
}

function saidBy({ status, title, detail, serviceRequestId }: ServiceError): string {
  const request = serviceRequestId === undefined ? "" : ` [${serviceRequestId}]`;
  return `it answered ${status} "${detail ?? title ?? ""}"${request}.`;
}
