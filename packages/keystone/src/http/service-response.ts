import type * as z from "zod";
import { ServiceError, type ServiceErrorFields } from "./service-error.ts";

/** Which request an answer belongs to, for errors. */
export type Origin = Pick<ServiceErrorFields, "service" | "method" | "url" | "attempts">;

/** An answer with one of the statuses that were expected. */
export class ServiceResponse {
  readonly status: number;
  // Private, so that whoever prints an answer does not print a secret or a token.
  readonly #headers: Readonly<Record<string, string>>;
  readonly #bytes: Uint8Array;
  readonly #origin: Origin;

  constructor(answer: Pick<ServiceResponse, "status" | "headers" | "bytes">, origin: Origin) {
    this.status = answer.status;
    this.#headers = answer.headers;
    this.#bytes = answer.bytes;
    this.#origin = origin;
  }

  /** Names in lower case. */
  get headers(): Readonly<Record<string, string>> {
    return this.#headers;
  }

  /** The caller's; it may wipe them. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * The body as JSON of this shape.
   * @throws ServiceError of kind `protocol`: the request was carried out, but the answer is not what it should be
   */
  json<T>(schema: z.ZodType<T>): T {
    const parsed = schema.safeParse(this.#parse());
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    // Neither values nor the parser's words: the answer may hold a secret.
    throw this.protocolError(`answered JSON without a valid "${issue?.path.join(".") ?? ""}"`);
  }

  #parse(): unknown {
    try {
      return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(this.bytes));
    } catch {
      throw this.protocolError("answered something that is not JSON");
    }
  }

  /** An error of kind `protocol` about this answer. @param reason the end of a sentence: `answered no token` */
  protocolError(reason: string): ServiceError {
    return new ServiceError({
      ...this.#origin,
      kind: "protocol",
      reason,
      status: this.status,
      serviceRequestId: serviceRequestId(this.headers),
      maybeDone: true,
    });
  }
}

/** Under which name the service logged the request. */
export function serviceRequestId(headers: Readonly<Record<string, string>>): string | undefined {
  return headers["x-openstack-request-id"] ?? headers["x-compute-request-id"];
}
