import { LuksmithError } from "@luksmith/core";
import type { Procedure } from "./procedures.ts";

/** What can go wrong between a caller and libvirt, and what to do about it. */
export function gone(path: string, why: string, cause?: Error): LuksmithError {
  return new LuksmithError(
    "LibvirtUnavailable",
    `libvirt at ${path} is gone (${why}); what was asked of it last may have been done or not; try again`,
    { cause, details: { socket: path } },
  );
}

export function notConnected(path: string, error: NodeJS.ErrnoException): LuksmithError {
  const denied = error.code === "EACCES" || error.code === "EPERM";
  const advice = denied
    ? "run as root, or as a member of the socket's group"
    : "start it, or correct [libvirt] connection_uri";
  return new LuksmithError(
    denied ? "LibvirtAccessDenied" : "LibvirtUnavailable",
    `libvirt cannot be reached at ${path} (${error.code ?? error.message}); ${advice}`,
    { cause: error, details: { socket: path, errno: error.code } },
  );
}

export function timedOut(procedure: Procedure, timeoutMs: number): LuksmithError {
  return new LuksmithError(
    "LibvirtTimedOut",
    `libvirt did not answer to ${procedure} in ${timeoutMs / 1000} s; it may still do it; see what it waits for with virsh domjobinfo and in its log, restart it if it hangs, then try again`,
    { details: { procedure, timeout_ms: timeoutMs } },
  );
}

export function stillAt(subject: string, timeoutMs: number): LuksmithError {
  return new LuksmithError(
    "LibvirtTimedOut",
    `libvirt is still at an earlier call on ${subject} that nobody waits for any more, and was not asked for more; see what it waits for in its log, restart it if it hangs, then try again`,
    { details: { subject, timeout_ms: timeoutMs } },
  );
}

export function protocolError(where: string, error: unknown): LuksmithError {
  const why = error instanceof Error ? error.message : String(error);
  return new LuksmithError(
    "LibvirtProtocolError",
    `what comes from ${where} is not libvirt's protocol: ${why}; check which program listens there`,
    { cause: error },
  );
}
