import type { DiskInfo, DiskMapping } from "../disk/disk-info.ts";
import type { DiskSource } from "../image/image-disk.ts";
import type { DiskRecord, InstanceRecord, SnapshotRecord } from "../journal/inventory.ts";

/** A disk as the command line and the daemon show it. Sizes in bytes. */
export interface DiskView {
  readonly uuid: string;
  readonly name: string;
  readonly backend: string;
  readonly path: string;
  readonly format: "raw" | "qcow2";
  readonly virtual_size: number;
  readonly encrypted: boolean;
  readonly encryption_format: string | null;
  readonly encryption_secret_uuid: string | null;
}

/** What a disk's XML is made of. */
export interface PlacedDisk extends DiskView {
  readonly source: DiskSource;
  readonly mapping: DiskMapping;
}

export interface SnapshotView extends Omit<DiskView, "backend"> {
  readonly instance: string;
  readonly created_at: string;
}

export function placedDisks(instance: Pick<InstanceRecord, "disks" | "diskInfo">): readonly PlacedDisk[] {
  return instance.disks.map((disk) => placedDisk(disk, instance.diskInfo));
}

function placedDisk(disk: DiskRecord, diskInfo: DiskInfo): PlacedDisk {
  const mapping = diskInfo.mapping[disk.name];
  if (!mapping) throw new Error(`disk ${disk.name} is not in the disk_info it was made from`);
  return {
    uuid: disk.uuid,
    name: disk.name,
    backend: disk.backend,
    path: disk.path,
    format: disk.source.format,
    virtual_size: Number(disk.virtualSize),
    encrypted: disk.encryption !== undefined,
    encryption_format: disk.encryption?.format ?? null,
    encryption_secret_uuid: disk.encryption?.secretId ?? null,
    source: disk.source,
    mapping,
  };
}

export function snapshotView(snapshot: SnapshotRecord): SnapshotView {
  return {
    uuid: snapshot.uuid,
    instance: snapshot.instanceUuid,
    name: snapshot.diskName,
    path: snapshot.path,
    format: snapshot.format,
    virtual_size: Number(snapshot.virtualSize),
    encrypted: snapshot.encryption !== undefined,
    encryption_format: snapshot.encryption?.format ?? null,
    encryption_secret_uuid: snapshot.encryption?.secretId ?? null,
    created_at: snapshot.createdAt,
  };
}
