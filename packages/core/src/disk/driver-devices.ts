import type { BlockDeviceMappingV2, FlavorRequest } from "../request/instance-request.ts";
import type {
  BlockDeviceEncryption,
  DriverEphemeralBlockDevice,
  DriverImageBlockDevice,
  DriverSwapBlockDevice,
  DriverVolumeBlockDevice,
} from "./block-device-info.ts";

/** A block device of the request with the id it got. */
export interface RequestedDevice {
  readonly uuid: string;
  readonly bdm: BlockDeviceMappingV2;
}

export function imageDevice(
  { uuid, bdm }: RequestedDevice,
  encryption: BlockDeviceEncryption,
): DriverImageBlockDevice[] {
  if (bdm.source_type !== "image" || bdm.destination_type !== "local" || bdm.uuid === null) return [];
  return [
    {
      uuid,
      image_id: bdm.uuid,
      device_name: null,
      size: bdm.volume_size ?? 0,
      disk_bus: bdm.disk_bus,
      device_type: bdm.device_type,
      guest_format: bdm.guest_format,
      boot_index: 0,
      ...encryption,
    },
  ];
}

export function ephemeralDevice(
  { uuid, bdm }: RequestedDevice,
  flavor: FlavorRequest,
  encryption: BlockDeviceEncryption,
): DriverEphemeralBlockDevice {
  return {
    uuid,
    device_name: null,
    size: bdm.volume_size ?? flavor.ephemeral,
    disk_bus: bdm.disk_bus,
    device_type: bdm.device_type,
    guest_format: bdm.guest_format,
    ...encryption,
  };
}

export function swapDevice(
  { uuid, bdm }: RequestedDevice,
  flavor: FlavorRequest,
  encryption: BlockDeviceEncryption,
): DriverSwapBlockDevice {
  return {
    uuid,
    device_name: null,
    swap_size: bdm.volume_size ?? flavor.swap,
    disk_bus: bdm.disk_bus,
    ...encryption,
  };
}

export function volumeDevice({ uuid, bdm }: RequestedDevice): DriverVolumeBlockDevice {
  const idIf = (source: BlockDeviceMappingV2["source_type"]) =>
    bdm.source_type === source ? bdm.uuid : null;
  return {
    uuid,
    source_type: bdm.source_type,
    volume_id: idIf("volume"),
    snapshot_id: idIf("snapshot"),
    image_id: idIf("image"),
    volume_size: bdm.volume_size,
    volume_type: bdm.volume_type,
    connection_info: {},
    attachment_id: null,
    mount_device: null,
    disk_bus: bdm.disk_bus,
    device_type: bdm.device_type,
    guest_format: bdm.guest_format,
    boot_index: bdm.boot_index,
    delete_on_termination: bdm.delete_on_termination,
  };
}
