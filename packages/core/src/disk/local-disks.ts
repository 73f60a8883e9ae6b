import { LuksmithError } from "../errors/luksmith-error.ts";
import type { EncryptionFormat } from "../request/encryption-format.ts";
import type { InstanceRequest } from "../request/instance-request.ts";
import type { BlockDeviceInfo, LocalDevice } from "./block-device-info.ts";
import { checkEncryptedState } from "./encrypted-state.ts";
import type { DiskBus, DiskInfo, DiskMapping, EncryptionOptions } from "./disk-info.ts";

const GIB = 1n << 30n;
const MIB = 1n << 20n;

/** A local disk's name in disk_info. */
export type LocalDiskName = "disk" | "disk.local" | "disk.swap" | `disk.eph${number}`;

/** One disk that is ours to make. */
export interface LocalDisk {
  readonly name: LocalDiskName;
  /** Id of its block device mapping; it outlives names and hosts. */
  readonly uuid: string;
  readonly kind: "root" | "ephemeral" | "swap";
  /** Bytes that the guest sees; null takes the image's own size (a flavor whose disk is 0). */
  readonly virtual_size: bigint | null;
  /** The root disk's image. */
  readonly image_id?: string;
  /** What a blank disk is formatted with; the host's default when absent. */
  readonly guest_format?: string;
  /** Which of the ephemerals this is, from 0; 0 for the other kinds. */
  readonly index: number;
  /** Device name without `/dev/`. */
  readonly dev: string;
  readonly bus: DiskBus;
  /** Null for a plain disk. */
  readonly encryption: LocalDiskEncryption | null;
}

export interface LocalDiskEncryption {
  readonly format: EncryptionFormat;
  readonly options: EncryptionOptions | null;
  /** Null until a passphrase exists. */
  readonly secret_uuid: string | null;
}

/**
 * The disks to make for an instance, in the order to make them: root, ephemerals, swap. Volumes and the config drive
 * are not among them.
 *
 * @param block_device_info - as `getDiskInfo` gave it back
 * @throws `InvalidBDM` when the disks disagree about encryption or secrets (`checkEncryptedState`), disk_info has a local disk that no block device stands for, or disagrees with it about
 * encryption
 */
export function localDisks(
  request: Pick<InstanceRequest, "server">,
  block_device_info: BlockDeviceInfo,
  disk_info: DiskInfo,
): LocalDisk[] {
  checkEncryptedState(block_device_info);
  const { flavor } = request.server;
  const { image, ephemerals, swap } = block_device_info;
  const disks: LocalDisk[] = [];
  const [root] = image;
  if (root !== undefined) {
    disks.push({
      ...placed("disk", root, disk_info),
      kind: "root",
      virtual_size: flavor.disk === 0 ? null : BigInt(flavor.disk) * GIB,
      image_id: root.image_id,
    });
  }
  for (const [index, ephemeral] of ephemerals.entries()) {
    disks.push({
      ...placed(`disk.eph${index}`, ephemeral, disk_info),
      kind: "ephemeral",
      virtual_size: BigInt(ephemeral.size) * GIB,
      index,
      ...(ephemeral.guest_format ? { guest_format: ephemeral.guest_format } : {}),
    });
  }
  if (swap !== null && swap.swap_size > 0) {
    const virtual_size = BigInt(swap.swap_size) * MIB;
    disks.push({ ...placed("disk.swap", swap, disk_info), kind: "swap", virtual_size, guest_format: "swap" });
  }
  checkComplete(disks, disk_info);
  return disks;
}

function placed(name: LocalDiskName, device: LocalDevice, disk_info: DiskInfo) {
  const disk = disk_info.mapping[name];
  if (disk === undefined)
    throw invalid(name, "has a block device but no place in disk_info; rebuild disk_info");
  if ((disk.encrypted ?? false) !== device.encrypted) {
    throw invalid(
      name,
      "is encrypted in block_device_info or in disk_info but not in both; rebuild disk_info",
    );
  }
  const { dev, bus } = disk;
  return { name, uuid: device.uuid, index: 0, dev, bus, encryption: encryptionOf(name, disk) };
}

function encryptionOf(name: LocalDiskName, disk: DiskMapping): LocalDiskEncryption | null {
  if (!disk.encrypted) return null;
  if (disk.encryption_format === undefined) throw invalid(name, "is encrypted without a format");
  return {
    format: disk.encryption_format,
    options: disk.encryption_options ?? null,
    secret_uuid: disk.encryption_secret_uuid ?? null,
  };
}

/** A disk without a block device has no id to name it and its secret by. */
function checkComplete(disks: readonly LocalDisk[], disk_info: DiskInfo): void {
  const known = new Set<string>(disks.map((disk) => disk.name));
  const orphan = Object.keys(disk_info.mapping).find(
    (name) => /^disk(\.local|\.swap|\.eph\d+)?$/.test(name) && !known.has(name),
  );
  if (orphan !== undefined) {
    throw invalid(orphan, "has no block device mapping; build block_device_info from the request");
  }
}

function invalid(disk: string, what: string): LuksmithError {
  return new LuksmithError("InvalidBDM", `${disk} ${what}`, { details: { disk } });
}
