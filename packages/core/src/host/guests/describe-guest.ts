import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { FoundGuest } from "./find-guest.ts";
import type { MoveDocument } from "./move-document.ts";

type Listed = MoveDocument["disks"][number];

/** All that another host must know of a guest, and nothing secret; pure. */
export function describeGuest({ instance, guest }: FoundGuest): MoveDocument {
  const { uuid, name, projectId, diskInfo, blockDeviceInfo, disks } = instance;
  return {
    kind: "luksmith.move",
    version: 1,
    instance: {
      uuid,
      name: name ?? null,
      project_id: projectId ?? null,
      // Nova's documents are JSON.
      disk_info: JSON.parse(JSON.stringify(diskInfo)) as MoveDocument["instance"]["disk_info"],
      block_device_info: JSON.parse(JSON.stringify(blockDeviceInfo)) as Record<string, unknown>,
    },
    definition: guest.definition,
    disks: disks.map((disk) => ({
      uuid: disk.uuid,
      name: disk.name,
      backend: disk.backend,
      path: disk.path,
      virtual_size: Number(disk.virtualSize),
      encryption: encryptionOf(disk),
      backing: backingOf(disk),
    })),
  };
}

function encryptionOf({ encryption, path }: DiskRecord): Listed["encryption"] {
  if (!encryption) return null;
  const { format, secretId } = encryption;
  if (format === "luks" && secretId) return { format, secret_id: secretId };
  throw new LuksmithError("UnsupportedOperation", `${path} is encrypted as ${format}, which cannot move`);
}

function backingOf({ source }: DiskRecord): Listed["backing"] {
  if (!source.backing) return null;
  const { file, format, virtualSize, secretId } = source.backing;
  return { file, format, virtual_size: virtualSize, secret_id: secretId ?? null };
}
