import type { BlockDeviceInfo } from "../../disk/block-device-info.ts";
import type { DiskInfo, DiskMapping } from "../../disk/disk-info.ts";
import type { ImageDisk } from "../../image/image-disk.ts";

const GIB = 1n << 30n;
const MIB = 1n << 20n;

/**
 * Nova's documents for disks that were found without them: virtio disks in the order of their names. Whoever runs the guest has its own
 * XML; from these follows what `show` prints.
 */
export function adoptedDocuments(disks: readonly ImageDisk[]): {
  readonly blockDeviceInfo: BlockDeviceInfo;
  readonly diskInfo: DiskInfo;
} {
  const mapping: Record<string, DiskMapping> = {};
  const blockDeviceInfo: BlockDeviceInfo = {
    root_device_name: "/dev/vda",
    image: [],
    ephemerals: [],
    swap: null,
    block_device_mapping: [],
  };
  for (const [index, disk] of disks.entries()) {
    const dev = `vd${String.fromCharCode("a".charCodeAt(0) + index)}`;
    const placed = mappingOf(disk, dev);
    if (disk.name === "disk") mapping["root"] = { ...placed, boot_index: "1" };
    mapping[disk.name] = disk.name === "disk" ? { ...placed, boot_index: "1" } : placed;
    addDevice(blockDeviceInfo, disk, dev);
  }
  return { blockDeviceInfo, diskInfo: { disk_bus: "virtio", cdrom_bus: "ide", mapping } };
}

function mappingOf({ encryption }: ImageDisk, dev: string): DiskMapping {
  const place = { bus: "virtio", dev, type: "disk" } as const;
  if (!encryption) return place;
  const { format, secretId, options } = encryption;
  return {
    ...place,
    encrypted: true,
    encryption_secret_uuid: secretId,
    encryption_format: format,
    ...(options ? { encryption_options: options } : {}),
  };
}

function addDevice(info: BlockDeviceInfo, disk: ImageDisk, dev: string): void {
  const { encryption } = disk;
  const device = {
    uuid: disk.uuid,
    device_name: `/dev/${dev}`,
    disk_bus: "virtio",
    encrypted: encryption !== undefined,
    encryption_secret_uuid: encryption?.secretId ?? null,
    encryption_format: encryption?.format ?? null,
    encryption_options: encryption?.options ?? null,
  };
  const blank = { ...device, device_type: "disk", guest_format: null };
  const gib = Number(disk.virtualSize / GIB);
  if (disk.name === "disk") info.image.push({ ...blank, image_id: "", boot_index: 0, size: gib });
  else if (disk.name === "disk.swap") info.swap = { ...device, swap_size: Number(disk.virtualSize / MIB) };
  else info.ephemerals.push({ ...blank, size: gib });
}

/** The order in which a guest gets its disks: root, ephemerals by number, swap. */
export function inGuestOrder(a: string, b: string): number {
  const rank = (name: string): number => {
    if (name === "disk") return 0;
    if (name === "disk.swap") return Number.MAX_SAFE_INTEGER;
    return 1 + Number(/\d+$/u.exec(name)?.[0] ?? -1) + 1;
  };
  return rank(a) - rank(b);
}
