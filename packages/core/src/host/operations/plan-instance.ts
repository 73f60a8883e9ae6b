import { randomUUID } from "node:crypto";
import { arch } from "node:os";
import type { BlockDeviceInfo } from "../../disk/block-device-info.ts";
import { buildBlockDeviceInfo } from "../../disk/build-block-device-info.ts";
import type { DiskInfo } from "../../disk/disk-info.ts";
import { getDiskInfo } from "../../disk/get-disk-info.ts";
import { type LocalDisk, localDisks } from "../../disk/local-disks.ts";
import type { HostConfig } from "../../config/host-config.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { GUEST_FORMATS, type GuestFormat } from "../../image/disk-content.ts";
import { type EncryptionRequest, encryptionRequest } from "../../request/encryption-request.ts";
import type { InstanceRequest } from "../../request/instance-request.ts";

/** What a request comes to on this host, before anything is touched. */
export interface InstancePlan {
  readonly request: InstanceRequest;
  readonly blockDeviceInfo: BlockDeviceInfo;
  readonly diskInfo: DiskInfo;
  readonly disks: readonly LocalDisk[];
  /** All disks share one key: `[ephemeral_storage_encryption] enabled`, as in Nova. */
  readonly sharedKey: boolean;
}

/** The old switch for all disks of a host; what flavor or image ask for goes before it. */
const HOST_WIDE: EncryptionRequest = { wanted: true, format: "plain", requestedFormat: "plain" };

/** Node's names of architectures, as libvirt says them. */
const LIBVIRT_ARCH: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", ppc64: "ppc64le" };

/**
 * Request to disk_info, as far as it goes without secrets; pure but for the fresh UUIDs of the block device mappings.
 * @throws `FlavorImageConflict`, `InvalidBDM`, `UnsupportedHardware`, … (see `getDiskInfo`)
 */
export function planInstance(config: HostConfig, request: InstanceRequest): InstancePlan {
  const { default_format, enabled } = config.ephemeral_storage_encryption;
  const requested = encryptionRequest(request.server.flavor, request.image, { default_format });
  const sharedKey = enabled && !requested.wanted;
  const encryption = sharedKey ? HOST_WIDE : requested;
  const blockDeviceInfo = buildBlockDeviceInfo(request, { encryption, newUuid: randomUUID });
  return { ...placeDisks(config, request, blockDeviceInfo), sharedKey };
}

/** disk_info for block devices whose secrets may be known by now. */
export function placeDisks(
  config: HostConfig,
  request: InstanceRequest,
  block: BlockDeviceInfo,
): Omit<InstancePlan, "sharedKey"> {
  const { flavor } = request.server;
  const { disk_info: diskInfo, block_device_info: blockDeviceInfo } = getDiskInfo({
    virt_type: request.virt_type ?? config.libvirt.virt_type,
    arch: LIBVIRT_ARCH[arch()] ?? arch(),
    image: request.image,
    flavor,
    block_device_info: block,
    config_drive: request.config_drive || config.DEFAULT.force_config_drive,
    config: {
      hw_machine_type: config.libvirt.hw_machine_type,
      disk_prefix: config.libvirt.disk_prefix ?? "",
      max_disk_devices_to_attach: config.compute.max_disk_devices_to_attach,
      config_drive_format: config.DEFAULT.config_drive_format,
    },
  });
  return { request, blockDeviceInfo, diskInfo, disks: localDisks(request, blockDeviceInfo, diskInfo) };
}

/**
 * The file system a blank disk comes with: the request's, else the host's default, else ext4.
 * @throws `UnsupportedGuestFormat`
 */
export function guestFormat(config: HostConfig, disk: LocalDisk): GuestFormat {
  const wanted = disk.guest_format ?? (config.DEFAULT.default_ephemeral_format || "ext4");
  const known = GUEST_FORMATS.find((format) => format === wanted);
  if (known) return known;
  throw new LuksmithError(
    "UnsupportedGuestFormat",
    `${disk.name} asks for guest_format ${wanted}; this host can make ${GUEST_FORMATS.join(", ")}`,
    { details: { disk: disk.name, guest_format: wanted } },
  );
}
