import type { Origin } from "../audit/audit-event.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { TokenSource } from "../identity/token-source.ts";
import type { Logger } from "../log/logger.ts";

/** What accompanies every call that touches the world: last parameter everywhere, never stored. */
export interface OpContext {
  /** Names this operation in logs, the journal and the audit trail (`req-…`). */
  readonly requestId: string;
  /** Aborts the operation; its reason becomes the cause of `Cancelled`. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** The caller, for services that act as the user; absent where there is no OpenStack, or where the host acts by itself. */
  readonly userToken?: TokenSource;
  /** Who asks, for the audit trail. */
  readonly origin?: Origin;
  /** Bytes done and to do of a long step; called often, must be cheap. */
  readonly progress?: ProgressListener;
}

export interface Progress {
  /** What is going on, for people: `fill disk`. */
  readonly step: string;
  readonly doneBytes: bigint;
  readonly totalBytes: bigint;
}

export type ProgressListener = (progress: Progress) => void;

/**
 * Stops here when the operation was cancelled.
 * @throws `Cancelled`
 */
export function throwIfCancelled(ctx: OpContext): void {
  if (ctx.signal.aborted) throw cancelledError(ctx.signal.reason);
}

export function cancelledError(reason: unknown): LuksmithError {
  return new LuksmithError("Cancelled", "the operation was cancelled; what it had begun was undone", {
    cause: reason,
  });
}
