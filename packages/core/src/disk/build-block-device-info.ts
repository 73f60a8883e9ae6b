import { LuksmithError } from "../errors/luksmith-error.ts";
import { isEphemeral, isSwap, withImpliedRoot } from "../request/bdm-kinds.ts";
import type { EncryptionRequest } from "../request/encryption-request.ts";
import type { BlockDeviceMappingV2, FlavorRequest, InstanceRequest } from "../request/instance-request.ts";
import type { BlockDeviceEncryption, BlockDeviceInfo } from "./block-device-info.ts";
import { prependDev } from "./device-name.ts";
import {
  ephemeralDevice,
  imageDevice,
  swapDevice,
  volumeDevice,
  type RequestedDevice,
} from "./driver-devices.ts";

export interface BuildBlockDeviceInfo {
  readonly encryption: EncryptionRequest;
  /** Makes the block devices' own ids; called once for each, in the order of the request. */
  readonly newUuid: () => string;
}

const VOLUME_ORDER = ["volume", "snapshot", "image", "blank"] as const;

/**
 * Turns a request into block_device_info: the image's root disk, the flavor's ephemeral and swap disks where the
 * request brings none of its own, and the volumes.
 *
 * Device names are dropped but for the root's, as Nova's libvirt driver does at create: the guest may see others.
 * When encryption is wanted every local disk is encrypted with the effective format; volumes never are.
 *
 * @throws `InvalidBDM` when no device is the root disk
 */
export function buildBlockDeviceInfo(
  request: InstanceRequest,
  options: BuildBlockDeviceInfo,
): BlockDeviceInfo {
  const { flavor } = request.server;
  const requested = withImpliedRoot(request.block_device_mapping_v2, request.image);
  const root = requested.find((bdm) => bdm.boot_index === 0);
  if (root === undefined) throw noRoot(request.server.id);
  const devices = [...requested, ...flavorDefined(flavor, requested)].map((bdm): RequestedDevice => ({
    uuid: options.newUuid(),
    bdm,
  }));
  const encryption = encryptionOf(options.encryption);
  return {
    root_device_name: rootDeviceName(request, root),
    image: devices.flatMap((device) => imageDevice(device, encryption)),
    ephemerals: devices
      .filter(({ bdm }) => isEphemeral(bdm))
      .map((device) => ephemeralDevice(device, flavor, encryption)),
    swap:
      devices
        .filter(({ bdm }) => isSwap(bdm))
        .map((device) => swapDevice(device, flavor, encryption))
        .at(-1) ?? null,
    block_device_mapping: VOLUME_ORDER.flatMap((source) =>
      devices
        .filter(({ bdm }) => bdm.destination_type === "volume" && bdm.source_type === source)
        .map((device) => volumeDevice(device)),
    ),
  };
}

/** One ephemeral disk and one swap disk of the flavor's whole size, unless the request has its own. */
function flavorDefined(
  flavor: FlavorRequest,
  requested: readonly BlockDeviceMappingV2[],
): BlockDeviceMappingV2[] {
  const blanks: BlockDeviceMappingV2[] = [];
  if (flavor.ephemeral > 0 && !requested.some(isEphemeral)) blanks.push(blank(flavor.ephemeral, null));
  if (flavor.swap > 0 && !requested.some(isSwap)) blanks.push(blank(flavor.swap, "swap"));
  return blanks;
}

function blank(volume_size: number, guest_format: string | null): BlockDeviceMappingV2 {
  return {
    source_type: "blank",
    destination_type: "local",
    uuid: null,
    boot_index: -1,
    volume_size,
    guest_format,
    disk_bus: null,
    device_type: "disk",
    device_name: null,
    delete_on_termination: true,
    tag: null,
    volume_type: null,
  };
}

function encryptionOf(request: EncryptionRequest): BlockDeviceEncryption {
  return {
    encrypted: request.wanted,
    encryption_secret_uuid: null,
    encryption_format: request.wanted ? request.format : null,
    encryption_options: null,
  };
}

/** The root block device's own name first, then the server's, then the image's. */
function rootDeviceName(request: InstanceRequest, root: BlockDeviceMappingV2): string | null {
  const name =
    root.device_name ?? request.server.root_device_name ?? request.image?.properties["root_device_name"];
  return name ? prependDev(name) : null;
}

function noRoot(server: string): LuksmithError {
  return new LuksmithError(
    "InvalidBDM",
    `server ${server} has no root disk: give an image, or a block device with boot_index 0`,
    { details: { server } },
  );
}
