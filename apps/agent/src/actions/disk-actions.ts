import {
  findInstance,
  flattenDisk,
  type InstanceRecord,
  rebaseDisk,
  resizeDisk,
  type WritableHost,
} from "@luksmith/core/host";
import { type DiskDocument, diskDocuments } from "../output/disk-document.ts";
import { type Action, type LostAnswer, path } from "./action.ts";

interface DiskInput {
  /** The instance's UUID. */
  readonly id: string;
  /** Its name in disk_info. */
  readonly disk: string;
}

/** The one disk that was changed, with the instance that it belongs to. */
export interface ChangedDiskDocument extends DiskDocument {
  readonly instance: string;
}

export interface ResizeInput extends DiskInput {
  /** Bytes. */
  readonly size: bigint;
}

export interface RebaseInput extends DiskInput {
  /** Absolute. */
  readonly base: string;
  readonly format?: "raw" | "qcow2";
  readonly trustBase: boolean;
}

export const resize: Action<ResizeInput, ChangedDiskDocument> = {
  kind: "resize",
  request: ({ size, ...of }) => ({
    method: "POST",
    path: diskPath(of, "resize"),
    body: { size: Number(size) },
  }),
  run: async (host, { id, disk, size }, ctx) => {
    const instance = await findInstance(host, id);
    return changed(host, instance, await resizeDisk(host, instance, disk, size, ctx));
  },
  again,
};

export const flatten: Action<DiskInput, ChangedDiskDocument> = {
  kind: "flatten",
  request: (of) => ({ method: "POST", path: diskPath(of, "flatten") }),
  run: async (host, { id, disk }, ctx) => {
    const instance = await findInstance(host, id);
    return changed(host, instance, await flattenDisk(host, instance, disk, ctx));
  },
  again,
};

export const rebase: Action<RebaseInput, ChangedDiskDocument> = {
  kind: "rebase",
  request: ({ base, format, trustBase: trust_base, ...of }) => ({
    method: "POST",
    path: diskPath(of, "rebase"),
    body: { base, format, trust_base },
  }),
  run: async (host, { id, disk, base: file, format, trustBase: trusted }, ctx) => {
    const instance = await findInstance(host, id);
    const request = { disk, file, trusted, ...(format ? { format } : {}) };
    return changed(host, instance, await rebaseDisk(host, instance, request, ctx));
  },
  again,
};

export function diskPath({ id, disk }: DiskInput, verb: string): string {
  return path("v1", "instances", id, "disks", disk, verb);
}

function changed(
  host: WritableHost,
  instance: InstanceRecord,
  disk: InstanceRecord["disks"][number],
): ChangedDiskDocument {
  const [document] = diskDocuments({ ...instance, disks: [disk] }, host.config);
  if (!document) throw new Error("one disk has one document");
  return { instance: instance.uuid, ...document };
}

function again(host: WritableHost, { subject, disk: name }: LostAnswer): ChangedDiskDocument | undefined {
  const instance = host.inventory.instance(subject);
  const disk = instance?.disks.find((each) => each.name === name);
  return instance && disk && changed(host, instance, disk);
}
