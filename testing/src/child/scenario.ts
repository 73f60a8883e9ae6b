import type { MigrationRoute, RebaseRequest, SnapshotRequest } from "@luksmith/core/host";

/** What a child process shall do, as JSON in its arguments. */
export interface Scenario {
  readonly configFile: string;
  readonly action: Action;
  /** A file with the token of the user who asks. */
  readonly tokenFile?: string;
  /** Kill this process, hard, at the n-th instant (see `instants.ts`). */
  readonly killAt?: number;
  /** Hold the host open until this process is killed. */
  readonly hold?: boolean;
}

export type Action =
  | { readonly kind: "create"; readonly request: Record<string, unknown> }
  | { readonly kind: "delete"; readonly id: string }
  | { readonly kind: "resize"; readonly id: string; readonly disk: string; readonly bytes: number }
  | { readonly kind: "snapshot"; readonly id: string; readonly request: SnapshotRequest }
  | { readonly kind: "flatten"; readonly id: string; readonly disk: string }
  | { readonly kind: "rebase"; readonly id: string; readonly request: RebaseRequest }
  | { readonly kind: "rekey"; readonly id: string; readonly disk?: string }
  | { readonly kind: "volume-key"; readonly id: string }
  | {
      readonly kind: "spawn";
      readonly request: Record<string, unknown>;
      readonly template: string;
      readonly start: boolean;
    }
  | { readonly kind: "start"; readonly id: string }
  | { readonly kind: "stop"; readonly id: string; readonly timeoutMs: number }
  | { readonly kind: "hard-reboot"; readonly id: string }
  | { readonly kind: "rescue"; readonly id: string; readonly image: string }
  | { readonly kind: "unrescue"; readonly id: string }
  | { readonly kind: "rebuild"; readonly request: Record<string, unknown> }
  | { readonly kind: "shelve"; readonly id: string; readonly directory: string }
  | { readonly kind: "unshelve"; readonly document: unknown; readonly directory: string }
  | { readonly kind: "evacuate"; readonly document: unknown; readonly recreate?: Record<string, unknown> }
  | { readonly kind: "adopt"; readonly document: unknown }
  | { readonly kind: "confirm"; readonly id: string }
  | { readonly kind: "expect"; readonly document: unknown }
  | { readonly kind: "send"; readonly target: unknown; readonly route: MigrationRoute }
  | { readonly kind: "settle"; readonly id: string }
  | { readonly kind: "dismiss"; readonly id: string }
  | { readonly kind: "resume" }
  | { readonly kind: "verify"; readonly id: string }
  | { readonly kind: "gc" }
  | { readonly kind: "open" };

/** The child's one line of output. */
export interface Outcome {
  /** What `errorToJson` gives; absent when all went well. */
  readonly error?: { readonly code: string; readonly category: string; readonly message: string };
  readonly instants: readonly string[];
  /** Everything logged, at every level. */
  readonly logged: unknown;
  readonly result?: unknown;
}

/** Printed by the child when it is about to act. */
export const READY = "ready";
