import { type ErrorCode, isLuksmithError, LuksmithError } from "@luksmith/core";
import { isServiceError, type ServiceError } from "@luksmith/keystone";

/**
 * What went wrong with Placement, as one of our errors. Those of ours (Keystone's failures, `Cancelled`) pass.
 * @param doing what was being done, as a sentence's beginning: `reading the traits of host-a`
 */
export function placementError(error: unknown, doing: string): unknown {
  if (isLuksmithError(error) || !isServiceError(error)) return error;
  const { kind, status, title, detail, serviceRequestId, url, attempts } = error;
  const code = codeOf(error);
  const words = [title, detail].filter((word) => word !== undefined).join(": ");
  const said = kind === "status" ? `HTTP ${status}${words ? `: ${words}` : ""}` : error.message;
  const next = ADVICE[code];
  return new LuksmithError(code, `${doing} failed: ${said}${next ? `; ${next}` : ""}`, {
    details: { kind, status, serviceRequestId, url, attempts },
    cause: error,
  });
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  PlacementUnavailable: "wait, then try again",
  PermissionDenied:
    "give the account in [placement] the role service in a project (on older releases of Placement: admin)",
  TokenRefused: "check that the account in [placement] is of the cloud that Placement belongs to",
  ServiceRefused: "check that [placement] and the service catalog lead to Placement, and read its log",
};

function codeOf({ kind, status }: ServiceError): ErrorCode {
  if (kind === "unauthenticated") return "TokenRefused";
  if (kind === "protocol") return "ServiceRefused";
  if (kind !== "status" || status === undefined) return "PlacementUnavailable";
  if (status === 403) return "PermissionDenied";
  if (status >= 500 || status === 429) return "PlacementUnavailable";
  return "ServiceRefused";
}
