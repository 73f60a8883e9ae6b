import type { BlockDeviceInfo } from "../disk/block-device-info.ts";
import type { DiskInfo } from "../disk/disk-info.ts";
import type { DiskEncryption, DiskIdentity, DiskSource, ImageDisk } from "../image/image-disk.ts";
import { type GoneRecord, goneRecords } from "./gone.ts";
import { GuestInventory } from "./guests.ts";
import { withEncryption } from "./nova-documents.ts";
import { diskOf, optional, snapshotOf } from "./inventory-rows.ts";
import { ReceiptInventory } from "./receipts.ts";
import { ReencryptionInventory } from "./reencryptions.ts";
import type { Row, StateDatabase } from "./state-database.ts";
import { type WaitingOperation, waitingOperations } from "./waiting-operations.ts";

export interface InstanceRecord {
  readonly uuid: string;
  readonly name: string | undefined;
  readonly projectId: string | undefined;
  /** ISO 8601 */
  readonly createdAt: string;
  readonly diskInfo: DiskInfo;
  readonly blockDeviceInfo: BlockDeviceInfo;
  readonly disks: readonly DiskRecord[];
  /** Set while an operation on it has not ended: `delete`, … */
  readonly pending: string | undefined;
}

/** A disk as it was made. Its format is frozen here: nothing ever asks the disk itself, which a guest can write. */
export interface DiskRecord extends ImageDisk {
  readonly backend: string;
  readonly path: string;
  readonly source: DiskSource;
  readonly identity: DiskIdentity;
  readonly createdAt: string;
}

export interface SnapshotRecord {
  readonly uuid: string;
  readonly instanceUuid: string;
  readonly diskName: string;
  readonly path: string;
  readonly format: "raw" | "qcow2";
  readonly virtualSize: bigint;
  readonly encryption: DiskEncryption | undefined;
  readonly identity: DiskIdentity;
  readonly createdAt: string;
}

export interface DiskCount {
  readonly backend: string;
  readonly encrypted: boolean;
  readonly disks: number;
}

export interface UnfinishedOperation {
  readonly kind: string;
  /** The instance's or snapshot's UUID. */
  readonly subject: string;
  /** ISO 8601 */
  readonly startedAt: string;
}

/** What this host has. Writing methods are called inside the transaction that ends an operation. */
export class Inventory {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  /** For a change that no operation ends with; durable when it returns. */
  transaction(change: () => void): void {
    this.#database.transaction(change);
  }

  get guests(): GuestInventory {
    return new GuestInventory(this.#database);
  }

  instances(): readonly InstanceRecord[] {
    return this.#database
      .all("SELECT * FROM instance ORDER BY created_at, uuid")
      .map((row) => this.#instance(row));
  }

  instance(uuid: string): InstanceRecord | undefined {
    const row = this.#database.get("SELECT * FROM instance WHERE uuid = ?", uuid);
    return row && this.#instance(row);
  }

  /** How many disks there are of each kind. */
  diskCounts(): readonly DiskCount[] {
    const sql =
      "SELECT backend, secret_id IS NOT NULL AS encrypted, count(*) AS disks FROM disk GROUP BY 1, 2 ORDER BY 1, 2";
    return this.#database.all(sql).map(({ backend, encrypted, disks }) => ({
      backend: String(backend),
      encrypted: encrypted === 1,
      disks: Number(disks),
    }));
  }

  /** Operations that began and did not end, oldest first: those that run now are among them. */
  unfinished(): readonly UnfinishedOperation[] {
    const sql =
      "SELECT kind, subject, started_at FROM operation WHERE state IN ('running', 'undoing') ORDER BY started_at, rowid";
    return this.#database.all(sql).map((row) => ({
      kind: String(row["kind"]),
      subject: String(row["subject"]),
      startedAt: String(row["started_at"]),
    }));
  }

  /** The disk or snapshot that a secret opens, if there is one. */
  ofSecret(
    secretId: string,
  ): { readonly instance: string; readonly uuid: string; readonly name: string } | undefined {
    const row =
      this.#database.get("SELECT instance, uuid, name FROM disk WHERE secret_id = ?", secretId) ??
      this.#database.get(
        "SELECT instance, uuid, disk_name AS name FROM snapshot WHERE secret_id = ?",
        secretId,
      );
    return row && { instance: String(row["instance"]), uuid: String(row["uuid"]), name: String(row["name"]) };
  }

  snapshots(): readonly SnapshotRecord[] {
    return this.#database.all("SELECT * FROM snapshot ORDER BY created_at, uuid").map(snapshotOf);
  }

  snapshot(uuid: string): SnapshotRecord | undefined {
    const row = this.#database.get("SELECT * FROM snapshot WHERE uuid = ?", uuid);
    return row && snapshotOf(row);
  }

  addInstance(record: Omit<InstanceRecord, "pending">): void {
    this.#database.run(
      "INSERT INTO instance (uuid, name, project_id, created_at, disk_info, block_device_info) VALUES (?, ?, ?, ?, ?, ?)",
      record.uuid,
      record.name ?? null,
      record.projectId ?? null,
      record.createdAt,
      JSON.stringify(record.diskInfo),
      JSON.stringify(record.blockDeviceInfo),
    );
    record.disks.forEach((disk, position) => this.addDisk(disk, position));
  }

  /** Other disks and documents for an instance; its guest, name, project and age stay. */
  replaceDisks({ uuid, diskInfo, blockDeviceInfo, disks }: Omit<InstanceRecord, "pending">): void {
    this.#database.run("DELETE FROM disk WHERE instance = ?", uuid);
    this.#database.run(
      "UPDATE instance SET block_device_info = ?, disk_info = ? WHERE uuid = ?",
      JSON.stringify(blockDeviceInfo),
      JSON.stringify(diskInfo),
      uuid,
    );
    disks.forEach((disk, position) => this.addDisk(disk, position));
  }

  removeInstance(uuid: string): void {
    this.#database.run("DELETE FROM disk WHERE instance = ?", uuid);
    this.#database.run("DELETE FROM instance WHERE uuid = ?", uuid);
  }

  setVirtualSize(diskUuid: string, virtualSize: bigint): void {
    this.#database.run("UPDATE disk SET virtual_size = ? WHERE uuid = ?", virtualSize, diskUuid);
  }

  setSource(diskUuid: string, source: DiskSource): void {
    this.#database.run("UPDATE disk SET source = ? WHERE uuid = ?", JSON.stringify(source), diskUuid);
  }

  /** Gives a disk another secret, also in Nova's documents, which name it more than once. */
  setSecret({ uuid, instanceUuid, encryption }: DiskRecord, secretId: string): void {
    this.#database.run("UPDATE disk SET secret_id = ? WHERE uuid = ?", secretId, uuid);
    const instance = this.instance(instanceUuid);
    const old = encryption?.secretId;
    if (!instance || !old) return;
    // Of the two documents these ids are the only thing that ever changes; an id is in no other text.
    const renamed = (document: BlockDeviceInfo | DiskInfo): string =>
      JSON.stringify(document, (_, value: unknown) => (value === old ? secretId : value));
    this.#database.run(
      "UPDATE instance SET block_device_info = ?, disk_info = ? WHERE uuid = ?",
      renamed(instance.blockDeviceInfo),
      renamed(instance.diskInfo),
      instanceUuid,
    );
  }

  /** A disk with the same UUID and name takes the place of one, also in Nova's documents. */
  replaceDisk(disk: DiskRecord): void {
    const { encryption } = disk;
    this.#database.run(
      "UPDATE disk SET backend = ?, path = ?, source = ?, identity = ?, virtual_size = ?, encryption_format = ?, secret_id = ?, encryption_options = ?, created_at = ? WHERE uuid = ?",
      disk.backend,
      disk.path,
      JSON.stringify(disk.source),
      JSON.stringify(disk.identity),
      disk.virtualSize,
      encryption?.format ?? null,
      encryption?.secretId ?? null,
      encryption?.options ? JSON.stringify(encryption.options) : null,
      disk.createdAt,
      disk.uuid,
    );
    const instance = this.instance(disk.instanceUuid);
    if (!instance) return;
    const documents = withEncryption(instance, disk);
    this.#database.run(
      "UPDATE instance SET block_device_info = ?, disk_info = ? WHERE uuid = ?",
      JSON.stringify(documents.blockDeviceInfo),
      JSON.stringify(documents.diskInfo),
      instance.uuid,
    );
  }

  /** Disks, snapshots and secrets that this host had. Newest first. Empty in a database that an older version has written last. */
  gone(): readonly GoneRecord[] {
    return goneRecords(this.#database);
  }

  get reencryptions(): ReencryptionInventory {
    return new ReencryptionInventory(this.#database);
  }

  get receipts(): ReceiptInventory {
    return new ReceiptInventory(this.#database);
  }

  /** What recovery could not end as yet, oldest first. */
  waiting(): readonly WaitingOperation[] {
    return waitingOperations(this.#database);
  }

  addSnapshot(record: SnapshotRecord): void {
    this.#database.run(
      "INSERT INTO snapshot (uuid, instance, disk_name, path, format, virtual_size, encryption_format, secret_id, identity, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      record.uuid,
      record.instanceUuid,
      record.diskName,
      record.path,
      record.format,
      record.virtualSize,
      record.encryption?.format ?? null,
      record.encryption?.secretId ?? null,
      JSON.stringify(record.identity),
      record.createdAt,
    );
  }

  removeSnapshot(uuid: string): void {
    this.#database.run("DELETE FROM snapshot WHERE uuid = ?", uuid);
  }

  addDisk(disk: DiskRecord, position: number): void {
    this.#database.run(
      "INSERT INTO disk (uuid, instance, position, name, backend, path, source, identity, virtual_size, encryption_format, secret_id, encryption_options, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      disk.uuid,
      disk.instanceUuid,
      position,
      disk.name,
      disk.backend,
      disk.path,
      JSON.stringify(disk.source),
      JSON.stringify(disk.identity),
      disk.virtualSize,
      disk.encryption?.format ?? null,
      disk.encryption?.secretId ?? null,
      disk.encryption?.options ? JSON.stringify(disk.encryption.options) : null,
      disk.createdAt,
    );
  }

  #instance(row: Row): InstanceRecord {
    const uuid = String(row["uuid"]);
    const pending = this.#database.get(
      "SELECT kind FROM operation WHERE subject = ? AND state IN ('running', 'undoing')",
      uuid,
    );
    return {
      uuid,
      name: optional(row["name"]),
      projectId: optional(row["project_id"]),
      createdAt: String(row["created_at"]),
      diskInfo: JSON.parse(String(row["disk_info"])) as DiskInfo,
      blockDeviceInfo: JSON.parse(String(row["block_device_info"])) as BlockDeviceInfo,
      disks: this.#database.all("SELECT * FROM disk WHERE instance = ? ORDER BY position", uuid).map(diskOf),
      pending: pending && String(pending["kind"]),
    };
  }
}
