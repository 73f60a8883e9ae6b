import { errnoOf } from "@luksmith/core";
import type { ServiceErrorKind } from "./service-error.ts";

/** Why an exchange was stopped from this side. */
export type Stop = "connect-timeout" | "timeout" | "too-long" | "cancelled";

/** One exchange that failed. Text only: the HTTP library's errors carry the request's headers and body. */
export class ExchangeFailure extends Error {
  override readonly name = "ExchangeFailure";
  readonly kind: ServiceErrorKind;
  /** Whether the server may have got the request. */
  readonly sent: boolean;
  /** Whether the same again could end otherwise; an untrusted certificate stays one. */
  readonly final: boolean;

  constructor(kind: ServiceErrorKind, reason: string, sent: boolean, final = false) {
    super(reason);
    this.kind = kind;
    this.sent = sent;
    this.final = final;
  }
}

/** What Node's codes mean to people. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refused the connection",
  ENOTFOUND: "has a host name that nobody knows",
  EAI_AGAIN: "has a host name that cannot be looked up now",
  EHOSTUNREACH: "cannot be reached, there is no route to its host",
  ENETUNREACH: "cannot be reached, there is no route to its network",
};

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ERR_TLS|CRL_|INVALID_CA|HOSTNAME_MISMATCH/;

/** Turns whatever was thrown into text; nothing of `error` but its code and, for TLS, Node's own words is taken over. */
export function failureOf(error: unknown, connected: boolean): ExchangeFailure {
  const code = systemCode(error) ?? "unknown";
  if (code.startsWith("HPE_")) {
    return new ExchangeFailure("protocol", `answered something that is not HTTP (${code})`, connected, true);
  }
  if (connected) return new ExchangeFailure("broken", `lost the connection (${code})`, true);
  if (code === "EPROTO" || code.startsWith("ERR_SSL")) {
    return new ExchangeFailure("unreachable", `does not speak TLS as expected (${code})`, false, true);
  }
  if (CERTIFICATE.test(code)) {
    const reason = `shows a certificate that is not trusted (${code}); set the file of its authority`;
    return new ExchangeFailure("unreachable", reason, false, true);
  }
  return new ExchangeFailure("unreachable", `${REASONS[code] ?? "cannot be reached"} (${code})`, false);
}

/** What was meant when an exchange was stopped from this side. */
export function stoppedFailure(
  stop: Exclude<Stop, "cancelled">,
  ms: number,
  connected: boolean,
): ExchangeFailure {
  switch (stop) {
    case "connect-timeout":
      return new ExchangeFailure("unreachable", `could not be connected within ${ms / 1000} s`, false);
    case "timeout":
      if (!connected)
        return new ExchangeFailure("unreachable", `gave no connection in ${ms / 1000} s`, false);
      return new ExchangeFailure("timeout", `did not answer within ${ms / 1000} s`, true);
    case "too-long":
    default:
      return new ExchangeFailure("protocol", "answered more than was allowed", true, true);
  }
}

/** axios hides the code of several addresses' failures in the first of `errors`. */
function systemCode(error: unknown): string | undefined {
  const code = errnoOf(error);
  if (code !== undefined && code !== "") return code;
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof AggregateError) return errnoOf(cause.errors[0]);
  return errnoOf(cause);
}
