import { FILE_DISPOSAL } from "../../file/file-disposal.ts";
import type { HeaderFacts } from "../../image/header-facts.ts";
import { type DiskEncryption, type DiskIdentity, diskFromJson } from "../../image/image-disk.ts";
import type { Disposal } from "../../image/image-hooks.ts";
import type { OpenOperation } from "../../journal/journal.ts";
import type { ReadableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { readStep } from "../operations/steps.ts";
import type { EraseReceipt } from "./erase-receipt.ts";

/** A disk or snapshot that an operation has removed. */
export interface Removed {
  readonly disk: Omit<EraseReceipt["disk"], "project">;
  readonly encryption: DiskEncryption | undefined;
  /** As it was when the operation began, where that was noted. */
  readonly header: HeaderFacts | undefined;
  readonly disposal: Disposal;
  /** UUIDs of snapshots of it that this host has. */
  readonly snapshots: readonly string[];
}

/** What an operation was to remove, by its journal. */
export function removedBy(
  host: ReadableHost,
  services: HostServices,
  { steps, kind, subject }: OpenOperation,
): readonly Removed[] {
  return steps.flatMap((step): readonly Removed[] => {
    const saga = readStep(step);
    if (saga.kind === "remove") return [removedDisk(host, services, saga.data)];
    if (saga.kind === "replace") return [removedDisk(host, services, saga.data.old)];
    if (saga.kind === "remove-file" && kind === "delete-snapshot") return removedSnapshot(host, subject);
    return [];
  });
}

function removedDisk(
  host: ReadableHost,
  services: HostServices,
  data: {
    readonly backend: string;
    readonly disk: DiskIdentity;
    readonly identity: DiskIdentity | null;
    readonly header?: HeaderFacts;
  },
): Removed {
  const disk = diskFromJson(data.disk);
  const image = services.backend(data.backend).image(disk);
  const snapshots = (host.inventory?.snapshots() ?? []).filter(
    ({ instanceUuid, diskName }) => instanceUuid === disk.instanceUuid && diskName === disk.name,
  );
  return {
    disk: {
      kind: "disk",
      uuid: disk.uuid,
      instance: disk.instanceUuid,
      name: disk.name,
      backend: data.backend,
      path: image.path,
      identity: data.identity,
      virtual_size: Number(disk.virtualSize),
      encryption_format: disk.encryption?.format ?? null,
    },
    encryption: disk.encryption,
    header: data.header,
    disposal: image.disposal,
    snapshots: snapshots.map(({ uuid }) => uuid),
  };
}

function removedSnapshot(host: ReadableHost, uuid: string): readonly Removed[] {
  const snapshot = host.inventory?.snapshot(uuid);
  if (!snapshot) return [];
  const { encryption } = snapshot;
  const disk = {
    kind: "snapshot",
    uuid,
    instance: snapshot.instanceUuid,
    name: snapshot.diskName,
    backend: `${snapshot.format} file`,
    path: snapshot.path,
    identity: snapshot.identity,
    virtual_size: Number(snapshot.virtualSize),
    encryption_format: encryption?.format ?? null,
  } as const;
  return [{ disk, encryption, header: undefined, disposal: FILE_DISPOSAL, snapshots: [] }];
}
