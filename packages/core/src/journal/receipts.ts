import type { Row, StateDatabase } from "./state-database.ts";

/** A signed receipt of an erasure. */
export interface ReceiptRecord {
  readonly id: string;
  /** UUID of the disk or snapshot. */
  readonly disk: string;
  /** UUID of the instance, or of the snapshot. */
  readonly subject: string;
  /** ISO 8601 */
  readonly issuedAt: string;
  /** The envelope, as JSON text. */
  readonly envelope: string;
}

/** The receipts of this host. They outlive the instances that they are about. */
export class ReceiptInventory {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  /** Oldest first. @param of only those of this disk, snapshot or instance */
  all(of?: string): readonly ReceiptRecord[] {
    if (!this.#database.hasTable("receipt")) return [];
    const rows =
      of === undefined
        ? this.#database.all("SELECT * FROM receipt ORDER BY issued_at, rowid")
        : this.#database.all(
            "SELECT * FROM receipt WHERE disk = ? OR subject = ? ORDER BY issued_at, rowid",
            of,
            of,
          );
    return rows.map(receiptOf);
  }

  find(id: string): ReceiptRecord | undefined {
    if (!this.#database.hasTable("receipt")) return undefined;
    const row = this.#database.get("SELECT * FROM receipt WHERE id = ?", id);
    return row && receiptOf(row);
  }

  /** Inside the transaction that ends an operation. */
  add({ id, disk, subject, issuedAt, envelope }: ReceiptRecord): void {
    this.#database.run(
      "INSERT INTO receipt (id, disk, subject, issued_at, envelope) VALUES (?, ?, ?, ?, ?)",
      id,
      disk,
      subject,
      issuedAt,
      envelope,
    );
  }

  /** Inside the transaction that ends an operation. @param before ISO 8601 */
  removeOlder(before: string): void {
    this.#database.run("DELETE FROM receipt WHERE issued_at < ?", before);
  }
}

function receiptOf(row: Row): ReceiptRecord {
  return {
    id: String(row["id"]),
    disk: String(row["disk"]),
    subject: String(row["subject"]),
    issuedAt: String(row["issued_at"]),
    envelope: String(row["envelope"]),
  };
}
