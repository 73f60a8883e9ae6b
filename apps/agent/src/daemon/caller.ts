import { randomUUID } from "node:crypto";
import { givenToken, type Logger, LuksmithError, type OpContext, type TaskScope } from "@luksmith/core/host";
import { Passphrase } from "@luksmith/luks";
import type { FastifyRequest } from "fastify";

const REQUEST_ID = /^req-[0-9a-zA-Z-]{1,64}$/;
/** Of visible ASCII: Stripe's and the IETF draft's limit. */
const KEY = /^[\x21-\x7e]{1,255}$/;
const TOKEN = /^[\x21-\x7e]{1,16384}$/;
const USER = /^[\x20-\x7e]{1,128}$/;

/** Who sent a request, and how it wants to be answered. */
export interface Caller {
  readonly requestId: string;
  readonly log: Logger;
  /** Not to be waited for. */
  readonly async: boolean;
  readonly idempotencyKey: string | undefined;
  /** Who it says it is; nobody has checked. */
  readonly claims: string | undefined;
  /** Makes the context of one operation. @param purpose what it is for, for the audit log */
  context(scope: TaskScope, purpose: string): OpContext;
  /** Wipes the user's token. */
  release(): void;
}

/** Always ours: journal and idempotency rest on its being unique. */
export function newRequestId(): string {
  return `req-${randomUUID()}`;
}

/** The id by which a client, or who asked it, follows a request through several services; for the log. */
export function globalRequestId(headers: FastifyRequest["raw"]["headers"]): string | undefined {
  const given = headers["x-openstack-request-id"] ?? headers["x-request-id"];
  return typeof given === "string" && REQUEST_ID.test(given) ? given : undefined;
}

/**
 * Reads the headers; takes the token out of them, so that nothing that prints a request prints it.
 * @throws `InvalidRequest`
 */
export function callerOf(request: FastifyRequest, log: Logger): Caller {
  const { id: requestId, headers } = request;
  const token = takeToken(request);
  const key = one(headers["idempotency-key"], "Idempotency-Key", KEY);
  const claims = one(headers["x-luksmith-user"], "X-Luksmith-User", USER);
  const prefer = String(headers["prefer"] ?? "")
    .toLowerCase()
    .split(/[,;]/);
  return {
    requestId,
    log,
    async: prefer.some((each) => each.trim() === "respond-async"),
    idempotencyKey: key,
    claims,
    context: ({ signal, progress }, purpose) => ({
      requestId,
      signal,
      log,
      progress,
      origin: { via: "socket", who: claims ?? "unknown", purpose },
      ...(token ? { userToken: givenToken(token) } : {}),
    }),
    release: () => token?.[Symbol.dispose](),
  };
}

function takeToken({ raw, headers }: FastifyRequest): Passphrase | undefined {
  const text = one(headers["x-auth-token"], "X-Auth-Token", TOKEN);
  delete raw.headers["x-auth-token"];
  raw.rawHeaders.length = 0;
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text);
  try {
    return new Passphrase(bytes);
  } finally {
    bytes.fill(0);
  }
}

function one(value: string | string[] | undefined, name: string, shape: RegExp): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && shape.test(value)) return value;
  throw new LuksmithError("InvalidRequest", `the header ${name} is not as it must be: ${shape.source}`, {
    details: { header: name },
  });
}
