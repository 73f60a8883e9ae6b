import type { OperationKind, Step } from "./journal.ts";
import type { StateDatabase } from "./state-database.ts";

/** An operation whose end was tried, and failed: what is left of it is tried again until it is done. */
export interface WaitingOperation {
  readonly id: string;
  readonly kind: OperationKind;
  /** The instance's or snapshot's UUID. */
  readonly subject: string;
  readonly startedAt: string;
  readonly tries: number;
  /** ISO 8601 */
  readonly triedAt: string;
  /** Why it failed the last time. */
  readonly error: string;
  readonly steps: readonly Step[];
}

/** Also of a database that an earlier version has written, in which nothing says that it waits. */
export function waitingOperations(database: StateDatabase): readonly WaitingOperation[] {
  return database
    .all("SELECT * FROM operation WHERE state IN ('running', 'undoing') ORDER BY started_at, rowid")
    .filter((row) => Number(row["tries"] ?? 0) > 0)
    .map((row) => ({
      id: String(row["id"]),
      kind: row["kind"] as OperationKind,
      subject: String(row["subject"]),
      startedAt: String(row["started_at"]),
      tries: Number(row["tries"]),
      triedAt: String(row["tried_at"]),
      error: String(row["error"]),
      steps: database
        .all("SELECT kind, data FROM step WHERE operation = ? ORDER BY seq", String(row["id"]))
        .map((step): Step => ({ kind: String(step["kind"]), data: JSON.parse(String(step["data"])) })),
    }));
}
