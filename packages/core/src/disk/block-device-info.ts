import type { EncryptionFormat } from "../request/encryption-format.ts";
import type { SourceType } from "../request/instance-request.ts";
import type { EncryptionOptions } from "./disk-info.ts";

/** The block devices of an instance in the form that drivers take; field names are Nova's. */
export interface BlockDeviceInfo {
  root_device_name: string | null;
  /** The root disk made from an image: one entry, or none when the server boots from a volume. */
  image: DriverImageBlockDevice[];
  ephemerals: DriverEphemeralBlockDevice[];
  swap: DriverSwapBlockDevice | null;
  /** Volumes, ordered by source: volume, snapshot, image, blank. */
  block_device_mapping: DriverVolumeBlockDevice[];
}

/** What every local disk says about its encryption. */
export interface BlockDeviceEncryption {
  /** Fixed when the disk is requested; nothing changes it later. */
  encrypted: boolean;
  /** Id of the passphrase in the key manager; null until it exists. */
  encryption_secret_uuid: string | null;
  encryption_format: EncryptionFormat | null;
  encryption_options: EncryptionOptions | null;
}

interface LocalBlockDevice extends BlockDeviceEncryption {
  /** Id of the block device mapping itself. */
  uuid: string;
  /** With `/dev/`; null until disk_info names it. */
  device_name: string | null;
  disk_bus: string | null;
}

export interface DriverImageBlockDevice extends LocalBlockDevice {
  device_type: string | null;
  guest_format: string | null;
  image_id: string;
  boot_index: 0;
  /** GiB as the request said it, 0 when it did not; the flavor decides, not this. */
  size: number;
}

export interface DriverEphemeralBlockDevice extends LocalBlockDevice {
  device_type: string | null;
  guest_format: string | null;
  /** GiB. */
  size: number;
}

export interface DriverSwapBlockDevice extends LocalBlockDevice {
  /** Not there until disk_info writes it back. */
  device_type?: string;
  /** MiB. */
  swap_size: number;
}

/** A Cinder volume: only named and placed here, never encrypted by us. */
export interface DriverVolumeBlockDevice {
  uuid: string;
  source_type: SourceType;
  volume_id: string | null;
  snapshot_id: string | null;
  image_id: string | null;
  /** GiB. */
  volume_size: number | null;
  volume_type: string | null;
  connection_info: Record<string, unknown>;
  attachment_id: string | null;
  /** With `/dev/`; null until disk_info names it. */
  mount_device: string | null;
  disk_bus: string | null;
  device_type: string | null;
  guest_format: string | null;
  boot_index: number | null;
  delete_on_termination: boolean;
}

/** Any block device that becomes a disk of the guest. */
export type DriverBlockDevice =
  | DriverImageBlockDevice
  | DriverEphemeralBlockDevice
  | DriverSwapBlockDevice
  | DriverVolumeBlockDevice;

/** The local disks that are to be encrypted: root, ephemerals, swap. */
export function encryptedDisks(info: BlockDeviceInfo): readonly LocalDevice[] {
  return localDevices(info).filter((device) => device.encrypted);
}

/** Every local disk of an instance: root, ephemerals, swap. */
export function localDevices(info: BlockDeviceInfo): readonly LocalDevice[] {
  return [...info.image, ...info.ephemerals, ...(info.swap === null ? [] : [info.swap])];
}

export type LocalDevice = DriverImageBlockDevice | DriverEphemeralBlockDevice | DriverSwapBlockDevice;
