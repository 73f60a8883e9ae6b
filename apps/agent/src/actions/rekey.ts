import { findInstance, rekeyDisks } from "@luksmith/core/host";
import { type DiskDocument, diskDocuments } from "../output/disk-document.ts";
import { type Action, path } from "./action.ts";
import { diskPath } from "./disk-actions.ts";

export interface RekeyInput {
  readonly id: string;
  /** Undefined: each that is encrypted. */
  readonly disk: string | undefined;
}

export interface RekeyedDocument {
  readonly uuid: string;
  readonly disks: readonly DiskDocument[];
}

export const rekey: Action<RekeyInput, RekeyedDocument> = {
  kind: "rekey",
  request: ({ id, disk }) => ({
    method: "POST",
    path: disk === undefined ? path("v1", "instances", id, "rekey") : diskPath({ id, disk }, "rekey"),
  }),
  run: async (host, { id, disk }, ctx) => {
    const instance = await findInstance(host, id);
    const disks = await rekeyDisks(host, instance, disk, ctx);
    return { uuid: id, disks: diskDocuments({ ...instance, disks }, host.config) };
  },
  // Of all disks, nobody knows whether it came to the last.
  again: (host, { subject, disk: name }) => {
    const instance = host.inventory.instance(subject);
    const disks = instance?.disks.filter((disk) => disk.name === name) ?? [];
    if (!instance || disks.length === 0) return undefined;
    return { uuid: subject, disks: diskDocuments({ ...instance, disks }, host.config) };
  },
};
