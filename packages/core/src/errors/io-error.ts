import { isLuksmithError, LuksmithError } from "./luksmith-error.ts";
import type { ErrorCode } from "./codes.ts";

const CODE_OF_ERRNO: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "NoSpace",
  EDQUOT: "NoSpace",
  EFBIG: "NoSpace",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EROFS: "PermissionDenied",
  ABORT_ERR: "Cancelled",
};

const ADVICE: Partial<Record<ErrorCode, string>> = {
  NoSpace: "free space or raise the quota or file size limit, then try again; what was begun was given back",
  IoError: "look at the storage, of which the kernel's log may say more, then try again",
  PermissionDenied: "run as the user who owns the path, or change its permissions",
};

/** The errno name of a system error (`ENOSPC`), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return undefined;
}

/** As `ioError`, but what failed because the operation was cancelled is `Cancelled`. */
export function operationError(
  error: unknown,
  signal: AbortSignal,
  what: string,
  details: Record<string, unknown> = {},
): Error {
  if (!signal.aborted) return ioError(error, what, details);
  return new LuksmithError("Cancelled", `${what} was cancelled; what was begun was undone`, {
    cause: error,
    details,
  });
}

/**
 * Turns a system error into ours; a LuksmithError passes through unchanged.
 * @param what what was being done to which disk or file, as a sentence's beginning: `writing disk of …`
 */
export function ioError(error: unknown, what: string, details: Record<string, unknown> = {}): Error {
  if (isLuksmithError(error)) return error;
  const errno = errnoOf(error);
  const code: ErrorCode = (errno === undefined ? undefined : CODE_OF_ERRNO[errno]) ?? "IoError";
  const reason = error instanceof Error ? error.message : String(error);
  const advice = ADVICE[code];
  return new LuksmithError(code, `${what} failed: ${reason}${advice ? `; ${advice}` : ""}`, {
    cause: error,
    details: { ...details, errno },
  });
}
