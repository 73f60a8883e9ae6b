import { randomUUID } from "node:crypto";
import type { Origin } from "../audit/audit-event.ts";
import type { AuditedOperation, OperationAudit } from "../audit/operation-audit.ts";
import type { Json } from "../image/rollback.ts";
import type { StateDatabase } from "./state-database.ts";

export type OperationKind =
  | "create"
  | "delete"
  | "resize"
  | "snapshot"
  | "delete-snapshot"
  | "flatten"
  | "rebase"
  | "rekey"
  | "spawn"
  | "start"
  | "stop"
  | "reboot"
  | "adopt"
  | "expect"
  | "send"
  | "reencrypt"
  | "swap"
  | "abandon"
  | "rescue"
  | "unrescue"
  | "rebuild"
  | "shelve"
  | "unshelve"
  | "evacuate"
  | "gc";

/** A thing that is about to happen, with what is needed to take it back or to finish it. */
export interface Step {
  readonly kind: string;
  readonly data: Json;
}

/** An operation that began and did not end. */
export interface OpenOperation {
  readonly id: string;
  readonly kind: OperationKind;
  /** The instance's or snapshot's UUID. */
  readonly subject: string;
  readonly state: "running" | "undoing";
  readonly requestId: string;
  readonly startedAt: string;
  readonly data: Json;
  readonly steps: readonly Step[];
}

/** What became of an operation. */
export interface RequestedOperation extends Pick<OpenOperation, "kind" | "subject"> {
  readonly state: OpenOperation["state"] | "done" | "undone";
}

/** Who begins an operation: the id of a request, or its context, from which the audit log learns who asked. */
export type Requester = string | { readonly requestId: string; readonly origin?: Origin };

/** Told of each durable change of the journal, in order; for tests and metrics. */
export type JournalListener = (event: { operation: string; kind: OperationKind; event: string }) => void;

/** Ended operations kept for the record, unless told otherwise. */
const HISTORY = 1000;

/**
 * The write-ahead journal: an operation's intent is durable before it acts. A create that did not end is undone, a
 * delete finished, by `recover`; `recover` says what becomes of the others.
 */
export class Journal {
  readonly #database: StateDatabase;
  readonly #listener: JournalListener;
  readonly #history: number;
  readonly #audit: OperationAudit | undefined;

  /** @param history how many ended operations to keep for the record */
  constructor(
    database: StateDatabase,
    listener: JournalListener = () => {},
    history = HISTORY,
    audit?: OperationAudit,
  ) {
    this.#database = database;
    this.#listener = listener;
    this.#history = history;
    this.#audit = audit;
  }

  /**
   * Durable when it returns.
   * @param instead unfinished operations that end with it, in one transaction, because this one does what they left
   */
  begin(
    kind: OperationKind,
    subject: string,
    by: Requester,
    data: Json,
    steps: readonly Step[] = [],
    instead: readonly OpenOperation[] = [],
  ): Operation {
    const id = randomUUID();
    const { requestId, origin } = typeof by === "string" ? { requestId: by } : by;
    const begun = { id, kind, subject, requestId, origin, steps };
    this.#database.transaction(() => {
      this.#database.run(
        "INSERT INTO operation (id, kind, subject, state, request_id, started_at, data) VALUES (?, ?, ?, 'running', ?, ?, ?)",
        id,
        kind,
        subject,
        requestId,
        new Date().toISOString(),
        JSON.stringify(data),
      );
      steps.forEach((step, seq) => this.#insert(id, seq, step));
      for (const { id: open } of instead) {
        this.#database.run("DELETE FROM step WHERE operation = ?", open);
        this.#database.run(
          "UPDATE operation SET state = 'undone', ended_at = ? WHERE id = ?",
          new Date().toISOString(),
          open,
        );
      }
      this.#audit?.begun(begun);
    });
    this.#audit?.settle();
    this.#listener({ operation: id, kind, event: "begin" });
    return this.#operation(begun);
  }

  /** Oldest first. */
  unfinished(): readonly OpenOperation[] {
    return this.#database
      .all("SELECT * FROM operation WHERE state IN ('running', 'undoing') ORDER BY started_at, rowid")
      .map((row) => this.#read(row));
  }

  /** An operation, if it has not ended by now. */
  stillOpen(id: string): OpenOperation | undefined {
    const row = this.#database.get(
      "SELECT * FROM operation WHERE id = ? AND state IN ('running', 'undoing')",
      id,
    );
    return row && this.#read(row);
  }

  /** What became of the operations that one request began, oldest first, as far back as the record goes. */
  ofRequest(requestId: string): readonly RequestedOperation[] {
    return this.#database
      .all("SELECT kind, subject, state FROM operation WHERE request_id = ? ORDER BY rowid", requestId)
      .map((row) => ({
        kind: row["kind"] as OperationKind,
        subject: String(row["subject"]),
        state: row["state"] as RequestedOperation["state"],
      }));
  }

  /** Takes an unfinished operation up again. */
  resume(open: OpenOperation): Operation {
    return this.#operation({ ...open, origin: undefined });
  }

  #operation(begun: AuditedOperation & Pick<OpenOperation, "steps">): Operation {
    return new Operation(begun, this.#database, this.#listener, this.#history, this.#audit);
  }

  #insert(operation: string, seq: number, step: Step): void {
    insertStep(this.#database, operation, seq, step);
  }

  #read(row: Record<string, unknown>): OpenOperation {
    const id = String(row["id"]);
    const steps = this.#database
      .all("SELECT kind, data FROM step WHERE operation = ? ORDER BY seq", id)
      .map((step): Step => ({ kind: String(step["kind"]), data: JSON.parse(String(step["data"])) as Json }));
    return {
      id,
      kind: row["kind"] as OperationKind,
      subject: String(row["subject"]),
      state: row["state"] as OpenOperation["state"],
      requestId: String(row["request_id"]),
      startedAt: String(row["started_at"]),
      data: JSON.parse(String(row["data"])) as Json,
      steps,
    };
  }
}

function insertStep(database: StateDatabase, operation: string, seq: number, step: Step): void {
  database.run(
    "INSERT INTO step (operation, seq, kind, data) VALUES (?, ?, ?, ?)",
    operation,
    seq,
    step.kind,
    JSON.stringify(step.data),
  );
}

/** One running operation. */
export class Operation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly subject: string;
  readonly #steps: Step[];
  readonly #database: StateDatabase;
  readonly #listener: JournalListener;
  readonly #history: number;
  readonly #begun: AuditedOperation;
  readonly #audit: OperationAudit | undefined;

  constructor(
    begun: AuditedOperation & Pick<OpenOperation, "steps">,
    database: StateDatabase,
    listener: JournalListener,
    history: number,
    audit: OperationAudit | undefined,
  ) {
    this.#begun = begun;
    this.#audit = audit;
    this.id = begun.id;
    this.kind = begun.kind;
    this.subject = begun.subject;
    this.#steps = [...begun.steps];
    this.#database = database;
    this.#listener = listener;
    this.#history = history;
  }

  /** What was intended so far, oldest first. */
  get steps(): readonly Step[] {
    return this.#steps;
  }

  /** Records what is about to happen; durable when it returns. */
  intend(...steps: readonly Step[]): void {
    this.#database.transaction(() => {
      steps.forEach((step, i) => insertStep(this.#database, this.id, this.#steps.length + i, step));
    });
    this.#steps.push(...steps);
    this.#tell(steps.map((step) => step.kind).join("+"));
  }

  /** As `intend`, together with `change`, in one transaction: from here on the operation goes forward. */
  advance(change: () => void, ...steps: readonly Step[]): void {
    this.#database.transaction(() => {
      if (this.#audit) this.#audit.changing(this.#begun, [...this.#steps, ...steps], change);
      else change();
      steps.forEach((step, i) => insertStep(this.#database, this.id, this.#steps.length + i, step));
    });
    this.#audit?.settle();
    this.#steps.push(...steps);
    this.#tell(steps.map((step) => step.kind).join("+"));
  }

  /** The operation is being taken back; durable when it returns. */
  undoing(error: string): void {
    this.#database.transaction(() =>
      this.#database.run("UPDATE operation SET state = 'undoing', error = ? WHERE id = ?", error, this.id),
    );
    this.#tell("undoing");
  }

  /** Its end was tried and failed, and will be tried again; durable when it returns. */
  failed(error: string): void {
    this.#database.transaction(() =>
      this.#database.run(
        "UPDATE operation SET tries = tries + 1, tried_at = ?, error = ? WHERE id = ? AND state IN ('running', 'undoing')",
        new Date().toISOString(),
        error,
        this.id,
      ),
    );
  }

  /** Ends the operation together with `change`, in one transaction. */
  end(state: "done" | "undone", change: () => void = () => {}): void {
    this.#database.transaction(() => {
      if (this.#audit) this.#audit.ended(this.#begun, state, this.#steps, change);
      else change();
      this.#database.run(
        "UPDATE operation SET state = ?, ended_at = ? WHERE id = ?",
        state,
        new Date().toISOString(),
        this.id,
      );
      this.#database.run("DELETE FROM step WHERE operation = ?", this.id);
      this.#database.run(
        "DELETE FROM operation WHERE rowid < (SELECT max(rowid) FROM operation) - ? AND state IN ('done', 'undone')",
        this.#history,
      );
    });
    this.#audit?.settle();
    this.#tell(state);
  }

  #tell(event: string): void {
    this.#listener({ operation: this.id, kind: this.kind, event });
  }
}
