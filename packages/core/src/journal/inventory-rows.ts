import type { EncryptionOptions } from "../disk/disk-info.ts";
import type { DiskEncryption, DiskIdentity, DiskSource } from "../image/image-disk.ts";
import type { EncryptionFormat } from "../request/encryption-format.ts";
import type { DiskRecord, SnapshotRecord } from "./inventory.ts";
import type { Row } from "./state-database.ts";

export function diskOf(row: Row): DiskRecord {
  const encryption = encryptionOf(row);
  const source = JSON.parse(String(row["source"])) as DiskSource;
  return {
    instanceUuid: String(row["instance"]),
    name: String(row["name"]),
    uuid: String(row["uuid"]),
    virtualSize: BigInt(Number(row["virtual_size"])),
    ...(encryption ? { encryption } : {}),
    ...(source.backing ? { backing: source.backing } : {}),
    backend: String(row["backend"]),
    path: String(row["path"]),
    source,
    identity: JSON.parse(String(row["identity"])) as DiskIdentity,
    createdAt: String(row["created_at"]),
  };
}

export function snapshotOf(row: Row): SnapshotRecord {
  return {
    uuid: String(row["uuid"]),
    instanceUuid: String(row["instance"]),
    diskName: String(row["disk_name"]),
    path: String(row["path"]),
    format: row["format"] === "qcow2" ? "qcow2" : "raw",
    virtualSize: BigInt(Number(row["virtual_size"])),
    encryption: encryptionOf(row),
    identity: JSON.parse(String(row["identity"])) as DiskIdentity,
    createdAt: String(row["created_at"]),
  };
}

function encryptionOf(row: Row): DiskEncryption | undefined {
  const format = optional(row["encryption_format"]);
  const secretId = optional(row["secret_id"]);
  const options = optional(row["encryption_options"]);
  if (!format || !secretId) return undefined;
  const opened = options ? { options: JSON.parse(options) as EncryptionOptions } : {};
  return { format: format as EncryptionFormat, secretId, ...opened };
}

export function optional(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
