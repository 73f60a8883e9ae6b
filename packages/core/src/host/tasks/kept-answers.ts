import type { Row, StateDatabase } from "../../journal/state-database.ts";

/** A request that came with an idempotency key. */
export interface KeyedRequest {
  readonly key: string;
  /** Of all that makes the request what it is; a hash, because requests may hold what must not be stored. */
  readonly fingerprint: string;
  readonly task: string;
  readonly kind: string;
  readonly requestId: string;
  /** The instance or snapshot that it is about. */
  readonly subject: string | undefined;
  /** Its name in disk_info, where it is about one. */
  readonly disk: string | undefined;
}

export interface KeptAnswer extends KeyedRequest {
  /** ISO 8601 */
  readonly createdAt: string;
  /** Undefined: the work has begun, and has not succeeded yet. */
  readonly answer: { readonly document: unknown } | undefined;
}

/** How long a key is remembered, and how many are. */
const KEPT_MS = 24 * 60 * 60 * 1000;
const MOST = 10_000;

/** What was answered to each idempotency key, in the state database: a restart does not make a client do things twice. */
export class KeptAnswers {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  find(key: string): KeptAnswer | undefined {
    const row = this.#database.get("SELECT * FROM answer WHERE key = ?", key);
    return row && answerOf(row);
  }

  ofTask(task: string): KeptAnswer | undefined {
    const row = this.#database.get("SELECT * FROM answer WHERE task = ?", task);
    return row && answerOf(row);
  }

  /** Durable when it returns; forgets the oldest. */
  begin(request: KeyedRequest, now = Date.now()): void {
    const { key, fingerprint, task, kind, requestId, subject = null, disk = null } = request;
    this.#database.transaction(() => {
      this.#database.run("DELETE FROM answer WHERE created_at < ?", new Date(now - KEPT_MS).toISOString());
      this.#database.run(
        "DELETE FROM answer WHERE key IN (SELECT key FROM answer ORDER BY created_at DESC LIMIT -1 OFFSET ?)",
        MOST - 1,
      );
      this.#database.run(
        "INSERT INTO answer (key, fingerprint, task, kind, request_id, subject, disk, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        key,
        fingerprint,
        task,
        kind,
        requestId,
        subject,
        disk,
        new Date(now).toISOString(),
      );
    });
  }

  /** @param document JSON */
  answer(key: string, document: unknown): void {
    this.#database.transaction(() =>
      this.#database.run("UPDATE answer SET answer = ? WHERE key = ?", JSON.stringify(document ?? null), key),
    );
  }

  /** The key is free again: nothing came of it. */
  forget(key: string): void {
    this.#database.transaction(() => this.#database.run("DELETE FROM answer WHERE key = ?", key));
  }
}

function answerOf(row: Row): KeptAnswer {
  const { answer } = row;
  return {
    key: String(row["key"]),
    fingerprint: String(row["fingerprint"]),
    task: String(row["task"]),
    kind: String(row["kind"]),
    requestId: String(row["request_id"]),
    subject: text(row["subject"]),
    disk: text(row["disk"]),
    createdAt: String(row["created_at"]),
    answer: typeof answer === "string" ? { document: JSON.parse(answer) as unknown } : undefined,
  };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
