import { randomUUID } from "node:crypto";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { Logger } from "../log/logger.ts";
import type { StateDatabase } from "../journal/state-database.ts";
import type { AuditEvent } from "./audit-event.ts";
import { encodeLine, NO_HASH } from "./audit-line.ts";
import { addPending, type AuditHead, clearPending, readHead, readPending, writeHead } from "./audit-state.ts";
import { lastSegment, type PendingLine, segmentBytes, writeLines } from "./segment-file.ts";

/** Lines kept in the state database as well until the file has been synced: what one sync is for. */
const UNSYNCED = 256;

export interface AuditLogOptions {
  /** Asked at each use; may be opened by the first. */
  readonly database: () => StateDatabase;
  readonly directory: string;
  /** Bytes after which a new file begins. */
  readonly segmentBytes: number;
  readonly host: string;
  /** `[luksmith] audit_failure`: what happens where the log cannot be written. */
  readonly failure: "stop" | "continue";
  readonly log: Logger;
  /** ISO 8601 */
  readonly now?: () => string;
}

interface Batch {
  readonly events: AuditEvent[];
  readonly done: Promise<void>;
}

/**
 * The audit log: lines of JSON, each with the hash of the one before. A line is durable when the state database has it,
 * together with the log's end; from there it is written to the file, at its place, by this process or the next. So a
 * killed process leaves nothing half, several processes may write, and a file that was changed is told from a crash.
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  /** The last line that this process knows to be in the file. */
  #written = 0;
  #checked = false;
  #lost = 0;
  #batch: Batch | undefined;

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  /** Durable when it resolves; those of one turn of the event loop share a sync. @throws `AuditLogUnwritable` */
  append(...events: readonly AuditEvent[]): Promise<void> {
    this.#batch ??= this.#newBatch();
    this.#batch.events.push(...events);
    return this.#batch.done;
  }

  /**
   * As part of a transaction of the state database, which makes the lines durable; `settle` follows it.
   * @throws `AuditLogUnwritable`, which must undo the transaction
   */
  within(...events: readonly AuditEvent[]): void {
    this.#tolerant(events.length, () => this.#add(events));
  }

  /** Writes to the file what the state database has. What keeps it from that is told by the next `append`. */
  settle(): void {
    try {
      this.#write();
    } catch (error) {
      this.#options.log.error(
        { err: error },
        "lines of the audit log are in the state database only, for now",
      );
    }
  }

  #newBatch(): Batch {
    const events: AuditEvent[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    setImmediate(() => {
      this.#batch = undefined;
      try {
        this.#tolerant(events.length, () => {
          this.#options.database().transaction(() => this.#add(events));
          this.#write();
        });
        resolve();
      } catch (error) {
        reject(error);
      }
    });
    return { events, done: promise };
  }

  #tolerant(lines: number, work: () => void): void {
    try {
      work();
    } catch (error) {
      const { failure, log, directory } = this.#options;
      if (failure === "stop") throw unwritable(directory, error);
      this.#lost += lines;
      log.error({ err: error, lost: this.#lost }, "the audit log could not be written; going on without");
    }
  }

  #add(events: readonly AuditEvent[]): void {
    const database = this.#options.database();
    const found = readHead(database);
    const lines = new Lines(found ?? this.#firstHead(), this.#options);
    if (found) {
      this.#makeRoom(database, lines);
    } else {
      lines.add({ event: "audit.began", outcome: "ok" });
      for (const event of earlierReveals(database)) lines.add(event);
    }
    if (this.#lost > 0) lines.add({ event: "audit.lost", outcome: "ok", details: { lines: this.#lost } });
    for (const event of events) lines.add(event);
    for (const line of lines.added) addPending(database, line);
    writeHead(database, lines.head);
    this.#lost = 0;
  }

  #firstHead(): AuditHead {
    // Of a log whose database is gone: its files stay as they are.
    const segment = lastSegment(this.#options.directory) + 1;
    return { log: randomUUID(), seq: 0, hash: NO_HASH, at: "", segment, bytes: 0 };
  }

  /** Begins another file where this one is full, or is not what was written to it. */
  #makeRoom(database: StateDatabase, lines: Lines): void {
    const { directory, segmentBytes: limit } = this.#options;
    const { head } = lines;
    const pending = readPending(database);
    const bytes = segmentBytes(directory, head.segment);
    const unwritten = pending.find(({ seq }) => seq > this.#written);
    const wrong = whatIsWrong(bytes, head, unwritten?.start ?? head.bytes);
    const full = head.bytes >= limit;
    if (wrong === undefined && (full || pending.length >= UNSYNCED)) {
      const changed = writeLines(directory, head.segment, pending, { check: !this.#checked, sync: true });
      this.#checked = true;
      this.#written = head.seq;
      clearPending(database);
      if (changed !== undefined) lines.add(mended(changed));
    }
    if (wrong === undefined && !full) return;
    lines.nextSegment();
    if (wrong !== undefined) {
      // What may not be in the file that is gone: nothing that was acknowledged is lost.
      clearPending(database);
      for (const line of pending) lines.keep(line);
      this.#written = Math.min(this.#written, (pending[0]?.seq ?? head.seq + 1) - 1);
    }
    lines.add({
      event: "audit.segment",
      outcome: "ok",
      details: {
        reason: wrong ?? "full",
        segment: head.segment,
        seq: head.seq,
        hash: head.hash,
        bytes: head.bytes,
      },
    });
  }

  #write(): void {
    const { database, directory } = this.#options;
    const head = readHead(database());
    if (!head) return;
    const pending = readPending(database(), this.#written);
    const changed = writeLines(directory, head.segment, pending, { check: !this.#checked, sync: false });
    this.#checked = true;
    this.#written = head.seq;
    if (changed === undefined) return;
    this.#options.log.error(
      { seq: changed },
      "the end of the audit log had been changed, and was written again",
    );
    database().transaction(() => this.#add([mended(changed)]));
    this.#write();
  }
}

/** Lines that are being added to a log's end. */
class Lines {
  readonly added: PendingLine[] = [];
  head: AuditHead;
  readonly #options: Pick<AuditLogOptions, "host" | "now">;

  constructor(head: AuditHead, options: Pick<AuditLogOptions, "host" | "now">) {
    this.head = head;
    this.#options = options;
  }

  add(event: AuditEvent): void {
    const { head } = this;
    const at = this.#options.now?.() ?? new Date().toISOString();
    const seq = head.seq + 1;
    const { line, hash } = encodeLine(
      { seq, at, log: head.log, host: this.#options.host, prev: head.hash },
      event,
    );
    this.head = { ...head, seq, hash, at };
    this.keep({ seq, line });
  }

  /** Puts a line that exists already at the segment's end. */
  keep({ seq, line }: Pick<PendingLine, "seq" | "line">): void {
    const start = this.head.bytes;
    this.added.push({ seq, start, line });
    this.head = { ...this.head, bytes: start + Buffer.byteLength(line) + 1 };
  }

  nextSegment(): void {
    this.head = { ...this.head, segment: this.head.segment + 1, bytes: 0 };
  }
}

/**
 * Why no more lines belong in a file. Undefined: it is as it was left, perhaps without its last lines.
 * @param least how long it must be
 */
function whatIsWrong(bytes: number | undefined, head: AuditHead, least: number): string | undefined {
  if (bytes === undefined) return least === 0 ? undefined : "moved";
  if (bytes < least) return "cut";
  return bytes > head.bytes ? "foreign bytes" : undefined;
}

function mended(seq: number): AuditEvent {
  return { event: "audit.mended", outcome: "ok", details: { from: seq } };
}

/** What `secret reveal` noted before there was a log. */
function earlierReveals(database: StateDatabase): readonly AuditEvent[] {
  const rows = database.all("SELECT at, who, subject, request_id FROM audit ORDER BY seq");
  database.run("DELETE FROM audit");
  return rows.map((row) => ({
    event: "key.read",
    outcome: "unknown",
    request: String(row["request_id"]),
    origin: { via: "command", who: String(row["who"]), purpose: "secret reveal" },
    secret: String(row["subject"]),
    details: { at: String(row["at"]) },
  }));
}

function unwritable(directory: string, cause: unknown): LuksmithError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LuksmithError(
    "AuditLogUnwritable",
    `the audit log in ${directory} cannot be written: ${why}; nothing is done that it could not tell. Free space or mend it, or set [luksmith] audit_failure = continue`,
    { cause, details: { directory }, retryable: true },
  );
}
