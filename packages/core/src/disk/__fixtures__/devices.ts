import type {
  BlockDeviceInfo,
  DriverEphemeralBlockDevice,
  DriverImageBlockDevice,
  DriverSwapBlockDevice,
  DriverVolumeBlockDevice,
} from "../block-device-info.ts";
import type { DiskInfo, DiskMapping } from "../disk-info.ts";
import type { GetDiskInfo } from "../get-disk-info.ts";

const PLAIN = {
  encrypted: false,
  encryption_secret_uuid: null,
  encryption_format: null,
  encryption_options: null,
};
const LOCAL = { uuid: "b0", device_name: null, disk_bus: null, ...PLAIN };

export function image(over: Partial<DriverImageBlockDevice> = {}): DriverImageBlockDevice {
  return {
    ...LOCAL,
    device_type: "disk",
    guest_format: null,
    image_id: "i0",
    boot_index: 0,
    size: 0,
    ...over,
  };
}

export function ephemeral(over: Partial<DriverEphemeralBlockDevice> = {}): DriverEphemeralBlockDevice {
  return { ...LOCAL, device_type: null, guest_format: null, size: 10, ...over };
}

export function swap(over: Partial<DriverSwapBlockDevice> = {}): DriverSwapBlockDevice {
  return { ...LOCAL, swap_size: 10, ...over };
}

export function volume(over: Partial<DriverVolumeBlockDevice> = {}): DriverVolumeBlockDevice {
  return {
    uuid: "v0",
    source_type: "volume",
    volume_id: "v",
    snapshot_id: null,
    image_id: null,
    volume_size: null,
    volume_type: null,
    connection_info: {},
    attachment_id: null,
    mount_device: null,
    disk_bus: null,
    device_type: null,
    guest_format: null,
    boot_index: null,
    delete_on_termination: true,
    ...over,
  };
}

export function devices(over: Partial<BlockDeviceInfo> = {}): BlockDeviceInfo {
  return {
    root_device_name: null,
    image: [],
    ephemerals: [],
    swap: null,
    block_device_mapping: [],
    ...over,
  };
}

/** An x86_64 kvm guest with 20 GiB of ephemeral space and no swap, as in Nova's own tests of this algorithm. */
export function guest(over: Partial<GetDiskInfo> = {}): GetDiskInfo {
  return {
    virt_type: "kvm",
    arch: "x86_64",
    image: { disk_format: "raw", properties: {} },
    flavor: { ephemeral: 20, swap: 0 },
    block_device_info: null,
    config_drive: false,
    config: {},
    ...over,
  };
}

/** A mapping in short: `bus dev type`, then `boot N` and `as FORMAT` where there are such. */
export function brief({ mapping }: DiskInfo): Record<string, string> {
  return Object.fromEntries(Object.entries(mapping).map(([name, disk]) => [name, briefly(disk)]));
}

function briefly({ bus, dev, type, boot_index, format }: DiskMapping): string {
  const boot = boot_index === undefined ? "" : ` boot ${boot_index}`;
  return `${bus} ${dev} ${type}${boot}${format === undefined ? "" : ` as ${format}`}`;
}
