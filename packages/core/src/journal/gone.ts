import type { DiskIdentity } from "../image/image-disk.ts";
import type { Row, StateDatabase } from "./state-database.ts";
import { optional } from "./inventory-rows.ts";

/**
 * A disk or snapshot that left the inventory, or a disk's secret that another one took the place of; written by triggers, whatever
 * operation did it.
 */
export interface GoneRecord {
  /** ISO 8601 */
  readonly at: string;
  /** What ended it: `delete`, `rekey`, `shelve`, …; undefined: none that was journaled. */
  readonly operation: string | undefined;
  readonly uuid: string;
  readonly instanceUuid: string;
  /** As in disk_info. */
  readonly name: string;
  /** Undefined for a snapshot. */
  readonly backend: string | undefined;
  readonly path: string;
  readonly identity: DiskIdentity;
  readonly virtualSize: bigint;
  readonly encryptionFormat: string | undefined;
  readonly secretId: string | undefined;
  /** The operation destroyed it: no other host has it. */
  readonly removed: boolean;
  /** The operation deleted its secret: no other host, shelf or copy needs that. */
  readonly forgotten: boolean;
}

export function goneRecords(database: StateDatabase): readonly GoneRecord[] {
  if (!database.hasTable("gone")) return [];
  return database.all("SELECT * FROM gone ORDER BY seq DESC").map(goneOf);
}

function goneOf(row: Row): GoneRecord {
  return {
    at: String(row["at"]),
    operation: optional(row["operation"]),
    uuid: String(row["uuid"]),
    instanceUuid: String(row["instance"]),
    name: String(row["name"]),
    backend: optional(row["backend"]),
    path: String(row["path"]),
    identity: JSON.parse(String(row["identity"])) as DiskIdentity,
    virtualSize: BigInt(Number(row["virtual_size"])),
    encryptionFormat: optional(row["encryption_format"]),
    secretId: optional(row["secret_id"]),
    removed: row["removed"] === 1,
    forgotten: row["forgotten"] === 1,
  };
}
