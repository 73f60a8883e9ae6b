import type { Json } from "../image/rollback.ts";

/** On whose behalf something happens, as far as this process can tell. */
export interface Origin {
  /** `command`: a person's command; `socket`: a client of the daemon; `daemon`: the daemon by itself. */
  readonly via: "command" | "socket" | "daemon";
  /** An account of this host; of a socket's client what it says of itself, which nobody has checked. */
  readonly who: string;
  /** What was asked for: a command or an action. */
  readonly purpose: string;
}

/** Whose token was used, as the identity service knows it. */
export interface TokenHolder {
  readonly userId: string;
  readonly userName?: string;
  readonly projectId?: string;
  readonly projectName?: string;
}

/** Something that the audit log tells. Never a passphrase, a key or a token. */
export interface AuditEvent {
  /** `key.read`, `disk.created`, … */
  readonly event: string;
  /** `ok`, or the code of the error. */
  readonly outcome: string;
  readonly request?: string | undefined;
  readonly origin?: Origin | undefined;
  /** Absent: no token was used; `unknown`: one was, and the identity service could not be asked whose. */
  readonly token?: TokenHolder | "unknown" | undefined;
  /** The journal's, with the instance or snapshot that it is about. */
  readonly operation?: { readonly kind: string; readonly id: string; readonly subject: string } | undefined;
  readonly instance?: string | undefined;
  readonly disk?: AuditedDisk | undefined;
  readonly secret?: string | undefined;
  readonly details?: { readonly [name: string]: Json } | undefined;
}

export interface AuditedDisk {
  readonly uuid: string;
  readonly name: string;
  readonly backend?: string;
  readonly path?: string;
}
