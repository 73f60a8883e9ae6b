import { findInstance, rekeyDisks, rekeyMany, rekeyVolumeKeys, type Rotated } from "@luksmith/core/host";
import { type DiskDocument, diskDocuments } from "../output/disk-document.ts";
import { type Action, path } from "./action.ts";
import { diskPath } from "./disk-actions.ts";

export interface RekeyInput {
  readonly id: string;
  /** Undefined: each that is encrypted. */
  readonly disk: string | undefined;
  /** Encrypts anew, instead of a new passphrase alone. */
  readonly volumeKey?: boolean;
  /** Takes back what that began and did not finish. */
  readonly abandon?: boolean;
}

export interface RekeyedDocument {
  readonly uuid: string;
  readonly disks: readonly DiskDocument[];
}

export const rekey: Action<RekeyInput, RekeyedDocument> = {
  kind: "rekey",
  request: ({ id, disk, volumeKey = false, abandon = false }) => ({
    method: "POST",
    path: disk === undefined ? path("v1", "instances", id, "rekey") : diskPath({ id, disk }, "rekey"),
    ...(volumeKey ? { body: { volume_key: true, abandon } } : {}),
  }),
  run: async (host, { id, disk, volumeKey = false, abandon = false }, ctx) => {
    const instance = await findInstance(host, id);
    const disks = volumeKey
      ? await rekeyVolumeKeys(host, id, { disk, abandon }, ctx)
      : await rekeyDisks(host, instance, disk, ctx);
    const now = host.inventory.instance(id) ?? instance;
    return { uuid: id, disks: diskDocuments({ ...now, disks }, host.config) };
  },
  // Of all disks, nobody knows whether it came to the last.
  again: (host, { subject, disk: name }) => {
    const instance = host.inventory.instance(subject);
    const disks = instance?.disks.filter((disk) => disk.name === name) ?? [];
    if (!instance || disks.length === 0) return undefined;
    return { uuid: subject, disks: diskDocuments({ ...instance, disks }, host.config) };
  },
};

export interface RekeyManyInput {
  /** Undefined: all. */
  readonly id: string | undefined;
  /** ISO 8601; undefined: whatever its age. */
  readonly olderThan: string | undefined;
}

export interface RotationDocument {
  readonly older_than: string | null;
  readonly disks: readonly Rotated[];
}

export const rekeyManyDisks: Action<RekeyManyInput, RotationDocument> = {
  kind: "rekey-many",
  request: ({ id, olderThan }) => ({
    method: "POST",
    path: "/v1/rekey",
    body: { ...(id ? { instance: id } : {}), ...(olderThan ? { older_than: olderThan } : {}) },
  }),
  run: async (host, { id, olderThan }, ctx) => {
    const before = olderThan === undefined ? undefined : new Date(olderThan);
    const disks = await rekeyMany(host, { instance: id, olderThan: before }, ctx);
    return { older_than: olderThan ?? null, disks };
  },
};
