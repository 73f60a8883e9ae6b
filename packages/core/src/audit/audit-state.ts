import type { StateDatabase } from "../journal/state-database.ts";
import type { PendingLine } from "./segment-file.ts";

/** Where a log ends. */
export interface AuditHead {
  /** The log's id. */
  readonly log: string;
  /** The last line's number and hash. */
  readonly seq: number;
  readonly hash: string;
  /** ISO 8601: its time. */
  readonly at: string;
  /** The segment that is written to, and how long it is when all that is pending is in it. */
  readonly segment: number;
  readonly bytes: number;
}

/** The end of the log as the state database has it; undefined: it never began. */
export function readHead(database: StateDatabase): AuditHead | undefined {
  const row = database.get("SELECT * FROM audit_head");
  if (!row) return undefined;
  return {
    log: String(row["log"]),
    seq: Number(row["seq"]),
    hash: String(row["hash"]),
    at: String(row["at"]),
    segment: Number(row["segment"]),
    bytes: Number(row["bytes"]),
  };
}

/** Inside a transaction. */
export function writeHead(database: StateDatabase, head: AuditHead): void {
  const { log, seq, hash, at, segment, bytes } = head;
  database.run(
    "INSERT OR REPLACE INTO audit_head (id, log, seq, hash, at, segment, bytes) VALUES (1, ?, ?, ?, ?, ?, ?)",
    log,
    seq,
    hash,
    at,
    segment,
    bytes,
  );
}

/** The lines that the last segment's file may not have durably, in order. */
export function readPending(database: StateDatabase, after = 0): readonly PendingLine[] {
  return database
    .all("SELECT seq, start, line FROM audit_pending WHERE seq > ? ORDER BY seq", after)
    .map((row) => ({ seq: Number(row["seq"]), start: Number(row["start"]), line: String(row["line"]) }));
}

/** Inside a transaction. */
export function addPending(database: StateDatabase, { seq, start, line }: PendingLine): void {
  database.run("INSERT INTO audit_pending (seq, start, line) VALUES (?, ?, ?)", seq, start, line);
}

/** Inside a transaction. */
export function clearPending(database: StateDatabase): void {
  database.run("DELETE FROM audit_pending");
}
