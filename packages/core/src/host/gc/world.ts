import type { GuestKey, GuestState } from "../../guest/hypervisor.ts";
import type { OpenMapping, StoredDisk } from "../../image/image-backend.ts";
import { ownSecret } from "../../image/image-disk.ts";
import type { GoneRecord } from "../../journal/gone.ts";
import type { GuestRecord } from "../../journal/guests.ts";
import type { DiskIdentity } from "../../image/image-disk.ts";
import type { DiskRecord, InstanceRecord, SnapshotRecord } from "../../journal/inventory.ts";
import type { SecretInfo } from "../../key-manager/key-manager.ts";

/** What stands where a recorded disk or snapshot should be; a text: somebody else's, with what tells it. */
export type Whereabouts = "there" | "missing" | { readonly replaced: string };

/** Everything that is compared, looked at once. A part that is undefined could not be looked at, and is not judged. */
export interface World {
  readonly instances: readonly InstanceRecord[];
  readonly snapshots: readonly SnapshotRecord[];
  readonly guests: readonly GuestRecord[];
  readonly gone: readonly GoneRecord[];
  /** Instances and snapshots that an operation is working on, or changed while all this was looked at. */
  readonly busy: ReadonlySet<string>;
  /** Copies of recorded disks that will take their places; between two operations they are nobody's work. */
  readonly copying: readonly {
    readonly backend: string;
    readonly identity: DiskIdentity;
    readonly secretId: string | undefined;
  }[];
  /** By the disks' and snapshots' UUIDs. */
  readonly whereabouts: ReadonlyMap<string, Whereabouts>;
  /** Of all backends that list. */
  readonly stored: readonly (StoredDisk & { readonly backend: string })[];
  /**
   * Backends that were listed. `whole`: with each recorded disk that is there, and there is one: only then is a disk that was not
   * found not there. An empty list, of a file system that is not mounted, proves nothing.
   */
  readonly listed: ReadonlyMap<string, "whole" | "unproven">;
  /** Deleted snapshots, by UUID, whose file is not in its directory, which is there and has others. */
  readonly snapshotsGone: ReadonlySet<string>;
  readonly emptyDirectories: readonly {
    readonly path: string;
    readonly instanceUuid: string;
    readonly changedAt: string;
  }[];
  readonly secrets: readonly SecretInfo[] | undefined;
  /** Of the key manager; undefined: it is this host's alone. */
  readonly scope: string | undefined;
  /** Disks and snapshots, by UUID, whose secret the key manager has not. */
  readonly secretless: ReadonlySet<string>;
  readonly copies: readonly SecretInfo[] | undefined;
  /** Whether each secret should have a copy on this host. */
  readonly keepsCopies: boolean;
  readonly keys: readonly GuestKey[] | undefined;
  readonly guestStates: ReadonlyMap<string, GuestState>;
  readonly mappings: readonly OpenMapping[];
  /** What could not be looked at, and why. */
  readonly troubles: readonly string[];
}

export function recordedDisks({ instances }: Pick<World, "instances">): readonly DiskRecord[] {
  return instances.flatMap(({ disks }) => disks);
}

/** Secrets that something recorded needs, bases and copies in the making included. */
export function neededSecrets({
  instances,
  snapshots,
  copying,
}: Pick<World, "instances" | "snapshots" | "copying">): ReadonlySet<string> {
  const ids = new Set<string>(copying.flatMap(({ secretId }) => secretId ?? []));
  for (const disk of recordedDisks({ instances })) {
    if (disk.encryption?.secretId) ids.add(disk.encryption.secretId);
    if (disk.source.backing?.secretId) ids.add(disk.source.backing.secretId);
  }
  for (const { encryption } of snapshots) {
    const id = ownSecret(encryption);
    if (id) ids.add(id);
  }
  return ids;
}
