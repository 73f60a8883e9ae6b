import type { DiskIdentity } from "../image/image-disk.ts";
import type { Row, StateDatabase } from "./state-database.ts";

/** A disk that is being copied into a new one with another encryption, which takes its place in the end. */
export interface Reencryption {
  /** UUID of the disk, and of the new one. */
  readonly disk: string;
  /** The new one, as `diskToJson`; its name is not the disk's as yet. */
  readonly target: DiskIdentity;
  /** The new one's. */
  readonly identity: DiskIdentity;
  /** Bytes from the beginning that the new one has for certain. */
  readonly copied: bigint;
}

/** What is between its first and its last journaled operation. */
export class ReencryptionInventory {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  /** Those of one instance. */
  of(instance: string): readonly Reencryption[] {
    const sql =
      "SELECT reencryption.* FROM reencryption JOIN disk ON disk.uuid = reencryption.disk WHERE disk.instance = ? ORDER BY position";
    return this.#database.all(sql, instance).map(reencryptionOf);
  }

  find(disk: string): Reencryption | undefined {
    const row = this.#database.get("SELECT * FROM reencryption WHERE disk = ?", disk);
    return row && reencryptionOf(row);
  }

  /** Inside the transaction that ends an operation. */
  add({ disk, target, identity }: Omit<Reencryption, "copied">): void {
    const values = [disk, JSON.stringify(target), JSON.stringify(identity)];
    this.#database.run(
      "INSERT INTO reencryption (disk, target, identity, copied) VALUES (?, ?, ?, 0)",
      ...values,
    );
  }

  /** Durable when it returns. @param bytes that are durable in the new disk */
  setCopied(disk: string, bytes: bigint): void {
    this.#database.transaction(() =>
      this.#database.run("UPDATE reencryption SET copied = ? WHERE disk = ?", bytes, disk),
    );
  }

  /** Inside the transaction that ends an operation. */
  remove(disk: string): void {
    this.#database.run("DELETE FROM reencryption WHERE disk = ?", disk);
  }
}

function reencryptionOf(row: Row): Reencryption {
  return {
    disk: String(row["disk"]),
    target: JSON.parse(String(row["target"])) as DiskIdentity,
    identity: JSON.parse(String(row["identity"])) as DiskIdentity,
    copied: BigInt(Number(row["copied"])),
  };
}
