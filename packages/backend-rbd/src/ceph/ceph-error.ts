import { type ErrorCode, LuksmithError } from "@luksmith/core";

/** What librbd or librados said. */
export interface CephFailure {
  /** `ENOENT` */
  readonly errno: string;
  readonly message: string;
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  EEXIST: "DiskExists",
  ENOENT: "DiskNotFound",
  EBUSY: "DiskInUse",
  ENOSPC: "NoSpace",
  EDQUOT: "NoSpace",
  EPERM: "CephAccessDenied",
  EACCES: "CephAccessDenied",
  ETIMEDOUT: "CephTimedOut",
  ESHUTDOWN: "CephUnavailable",
  ENOTCONN: "CephUnavailable",
  ECONNREFUSED: "CephUnavailable",
};

const ADVICE: Partial<Record<ErrorCode, string>> = {
  DiskExists: "it was not touched; remove or rename that image",
  DiskNotFound: "restore it, or delete its instance",
  DiskInUse: "stop what uses it; a client that died is forgotten after half a minute",
  NoSpace: "add OSDs, remove data or raise the pool's quota, then try again",
  CephAccessDenied: "check [libvirt] rbd_user, its keyring and its capabilities on the pool",
  CephTimedOut:
    'look at "ceph -s", then try again; [luksmith:backend-rbd] operation_timeout says how long is waited',
  CephUnavailable: 'look at "ceph -s", then try again',
};

/** @param what what was being done to which disk, as a sentence's beginning */
export function cephError({ errno, message }: CephFailure, what: string): LuksmithError {
  const code = CODES[errno] ?? "CephFailed";
  const advice = ADVICE[code];
  return new LuksmithError(code, `${what} failed: ${message}${advice ? `; ${advice}` : ""}`, {
    details: { errno, ceph: message },
  });
}

/** A connection that was not made: the same errors mean something else. */
export function connectError(failure: CephFailure, cluster: string): LuksmithError {
  const { errno, message } = failure;
  const code: ErrorCode =
    errno === "ENOENT" && /open_ioctx|pool/i.test(message) ? "CephPoolNotFound" : connectCode(errno);
  const advice = {
    CephPoolNotFound: "make the pool, or set [libvirt] images_rbd_pool",
    CephAccessDenied: "check [libvirt] rbd_user, its keyring and its capabilities on the pool",
    ConfigInvalid:
      "check [libvirt] images_rbd_ceph_conf and rbd_user, and that Ceph's configuration names a keyring",
    CephUnavailable: "check that its monitors run and can be reached; nothing was changed",
  }[code as string];
  return new LuksmithError(
    code,
    `connecting to ${cluster} failed: ${message}${advice ? `; ${advice}` : ""}`,
    {
      details: { errno, ceph: message },
    },
  );
}

function connectCode(errno: string): ErrorCode {
  if (errno === "EPERM" || errno === "EACCES") return "CephAccessDenied";
  // No file, or no keyring in it.
  return errno === "ENOENT" || errno === "EINVAL" ? "ConfigInvalid" : "CephUnavailable";
}
