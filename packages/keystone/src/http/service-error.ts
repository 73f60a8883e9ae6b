export type ServiceErrorKind =
  /** No connection: refused, no such name, no route, no connection in time, a certificate that is not trusted. */
  | "unreachable"
  /** Connected, but the answer did not come in time, or stopped coming. */
  | "timeout"
  /** The connection was lost before the whole answer was there. */
  | "broken"
  /** An answer with a status that the caller did not expect. */
  | "status"
  /** The answer is no HTTP, not the JSON that it should be, too long, or compressed though nobody asked for it. */
  | "protocol"
  /** Nothing was sent: the service failed so often that it is left alone for a while. */
  | "circuit-open"
  /** 401, also with a new token, or there is no other token to be had. */
  | "unauthenticated";

export interface ServiceErrorFields {
  readonly kind: ServiceErrorKind;
  readonly service: string;
  readonly method: string;
  readonly url: string;
  readonly attempts: number;
  readonly maybeDone: boolean;
  /** What happened, as the end of a sentence: `did not answer within 60 s`. */
  readonly reason: string;
  readonly status?: number | undefined;
  readonly title?: string | undefined;
  readonly detail?: string | undefined;
  readonly serviceRequestId?: string | undefined;
}

const BRAND = Symbol.for("luksmith.service-error");

/**
 * What went wrong on the way to a service. It never holds tokens, bodies of requests, or objects of the HTTP library:
 * those carry both. Plugins turn it into a LuksmithError with a code of their own; its message is a whole sentence.
 */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly [BRAND] = true;
  readonly kind: ServiceErrorKind;
  /** The HTTP status, if there was an answer. */
  readonly status: number | undefined;
  /** The service's own words, from whichever shape its errors have; at most 1000 characters each. */
  readonly title: string | undefined;
  readonly detail: string | undefined;
  /** Under which the service's log has more. */
  readonly serviceRequestId: string | undefined;
  /** Whether the service may have carried the request out though it looks failed. */
  readonly maybeDone: boolean;
  /** For people: `Barbican`. */
  readonly service: string;
  readonly method: string;
  /** Without query and credentials. */
  readonly url: string;
  /** How often the request was sent, or tried to be. */
  readonly attempts: number;

  constructor(fields: ServiceErrorFields) {
    super(sentence(fields));
    this.kind = fields.kind;
    this.status = fields.status;
    this.title = fields.title;
    this.detail = fields.detail;
    this.serviceRequestId = fields.serviceRequestId;
    this.maybeDone = fields.maybeDone;
    this.service = fields.service;
    this.method = fields.method;
    this.url = fields.url;
    this.attempts = fields.attempts;
  }
}

/** Whether `value` is one, also of another copy of this package. */
export function isServiceError(value: unknown): value is ServiceError {
  return typeof value === "object" && value !== null && BRAND in value;
}

function sentence(fields: ServiceErrorFields): string {
  const tries = fields.attempts > 1 ? ` (tried ${fields.attempts} times)` : "";
  const said = fields.detail ?? fields.title;
  const words = said === undefined ? "" : `: ${said}`;
  return `${fields.service} ${fields.reason}${words}, at ${fields.method} ${fields.url}${tries}`;
}
