import { type ErrorCode, isLuksmithError, LuksmithError } from "@luksmith/core";
import { isServiceError, type ServiceError } from "@luksmith/keystone";

/** Whether the same request may well succeed a moment later, or at another server. */
export function isPassing(error: unknown): boolean {
  if (!isServiceError(error)) return false;
  if (error.kind === "unauthenticated") return false;
  if (error.kind !== "status") return true;
  const { status } = error;
  return status === undefined || status >= 500 || status === 408 || status === 429;
}

/** A failed request for an image as ours; what is ours already passes through. */
export function glanceError(error: unknown, imageId: string, what: string): unknown {
  if (isLuksmithError(error) || !isServiceError(error)) return error;
  const [code, advice] = meaning(error);
  return new LuksmithError(code, `${what} image ${imageId} failed: ${error.message}; ${advice}`, {
    cause: error,
    details: {
      imageId,
      status: error.status ?? null,
      serviceRequestId: error.serviceRequestId ?? null,
    },
  });
}

function meaning(error: ServiceError): readonly [ErrorCode, string] {
  if (error.kind === "unauthenticated") return ["TokenRefused", "log in again"];
  if (isPassing(error)) return ["ImageServiceUnavailable", "try again later"];
  switch (error.status) {
    case 403:
      return ["PermissionDenied", "ask the image's owner, or use an account that may download it"];
    case 404:
    case 410:
      return ["ImageNotFound", "check the id; Glance also says so of images that the user may not see"];
    default:
      return ["ServiceRefused", "look into Glance's log"];
  }
}
