import { type ReadableHost, type SnapshotView, snapshotView } from "@luksmith/core/host";
import { type InstanceDocument, instanceDocument } from "./disk-document.ts";

/** What a host has, as `list` gives it. */
export interface ListDocument {
  readonly instances: readonly InstanceDocument[];
  readonly snapshots: readonly SnapshotView[];
}

export function listDocument({ inventory, config }: ReadableHost): ListDocument {
  const instances = (inventory?.instances() ?? []).map((instance) => instanceDocument(instance, config));
  const snapshots = (inventory?.snapshots() ?? []).map(snapshotView);
  return { instances, snapshots };
}
