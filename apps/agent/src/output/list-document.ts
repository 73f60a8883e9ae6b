import {
  type ReadableHost,
  type SnapshotView,
  snapshotView,
  type Tombstone,
  tombstones,
} from "@luksmith/core/host";
import { type InstanceDocument, instanceDocument } from "./disk-document.ts";

/** What a host has, as `list` gives it. */
export interface ListDocument {
  readonly instances: readonly InstanceDocument[];
  readonly snapshots: readonly SnapshotView[];
  /** What could not be ended, and is tried again until it is done. */
  readonly unfinished: readonly Tombstone[];
}

export function listDocument(host: ReadableHost): ListDocument {
  const { inventory, config } = host;
  const instances = (inventory?.instances() ?? []).map((instance) => instanceDocument(instance, config));
  const snapshots = (inventory?.snapshots() ?? []).map(snapshotView);
  return { instances, snapshots, unfinished: tombstones(host) };
}
