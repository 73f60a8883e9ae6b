import { LuksmithError } from "@luksmith/core";
import { isServiceError, type ServiceError } from "../http/service-error.ts";

/**
 * Turns what went wrong with Keystone into our errors; others pass.
 * @param who who wanted to log in: `user alice in project demo`
 */
export function identityError(error: unknown, who: string): unknown {
  if (!isServiceError(error)) return error;
  if (error.status === 401 || error.status === 403) return authenticationFailed(error, who);
  const details = detailsOf(error);
  if (error.kind === "status" && error.status !== undefined && error.status < 500 && error.status !== 429) {
    const message = `Keystone does not take the login of ${who}: ${error.message}; check auth_url, user and project`;
    return new LuksmithError("AuthenticationFailed", message, { details, cause: error });
  }
  const message = `cannot log in ${who}: ${error.message}; wait, then try again, and check auth_url`;
  return new LuksmithError("IdentityUnavailable", message, { details, cause: error });
}

function authenticationFailed(error: ServiceError, who: string): LuksmithError {
  // Keystone answers the same to a wrong password, an unknown project and a missing role, on purpose.
  const message =
    `Keystone refused the login of ${who} at ${error.url} (${error.status}): ` +
    `wrong secret, or no role there; correct the credentials`;
  return new LuksmithError("AuthenticationFailed", message, { details: detailsOf(error), cause: error });
}

function detailsOf({ status, url, serviceRequestId, kind }: ServiceError): Readonly<Record<string, unknown>> {
  return { service: "Keystone", url, kind, status, serviceRequestId };
}
