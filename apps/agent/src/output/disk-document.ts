import {
  type DiskView,
  type HostConfig,
  type InstanceRecord,
  type PlacedDisk,
  placedDisks,
} from "@luksmith/core/host";
import { diskXml, diskXmlOptions, type DiskXmlOptions } from "@luksmith/libvirt";

/** A disk as `create`, `show` and `list` give it. */
export interface DiskDocument extends DiskView {
  readonly xml: string;
}

/** An instance as `show` and `list` give it. */
export interface InstanceDocument {
  readonly uuid: string;
  readonly name: string | null;
  /** ISO 8601 */
  readonly created_at: string;
  /** An operation that began and did not end. */
  readonly pending: string | null;
  readonly disks: readonly DiskDocument[];
}

export function instanceDocument(instance: InstanceRecord, config: HostConfig): InstanceDocument {
  const { uuid, name = null, createdAt: created_at, pending = null } = instance;
  return { uuid, name, created_at, pending, disks: diskDocuments(instance, config) };
}

export function diskDocuments(instance: InstanceRecord, config: HostConfig): readonly DiskDocument[] {
  const options = diskXmlOptions(config);
  return placedDisks(instance).map((disk) => diskDocument(disk, options));
}

function diskDocument(disk: PlacedDisk, options: DiskXmlOptions): DiskDocument {
  const { source: _source, mapping: _mapping, ...view } = disk;
  return { ...view, xml: diskXml(disk, options) };
}
