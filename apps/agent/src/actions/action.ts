import type { OpContext, RequestedOperation, WritableHost } from "@luksmith/core/host";

/** How the daemon is asked for something. */
export interface DaemonRequest {
  readonly method: "POST" | "DELETE";
  /** With its query. */
  readonly path: string;
  /** JSON */
  readonly body?: unknown;
}

/** What is known of a request whose answer a crash has swallowed: all its operations have succeeded. */
export interface LostAnswer {
  readonly subject: string;
  readonly disk: string | undefined;
  readonly operations: readonly RequestedOperation[];
}

/** Something that changes the host, the same for a command that does it itself and for the daemon. */
export interface Action<I, D> {
  /** For people and metrics. */
  readonly kind: string;
  readonly request: (input: I) => DaemonRequest;
  /** @returns the document that `--json` prints */
  readonly run: (host: WritableHost, input: I, ctx: OpContext) => Promise<D>;
  /** The document again, from the inventory; undefined: it cannot be told any more. */
  readonly again?: (host: WritableHost, lost: LostAnswer) => D | undefined;
}

/** Parts of a path, each escaped. */
export function path(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join("");
}
