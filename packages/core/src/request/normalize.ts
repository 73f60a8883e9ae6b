import { boolFromString } from "./bool-from-string.ts";
import type { BdmDocument } from "./bdm-schema.ts";
import { imageProperties } from "./image-properties.ts";
import type {
  BlockDeviceMappingV2,
  ImageRequest,
  InstanceRequest,
  ServerRequest,
} from "./instance-request.ts";
import type { ImageDocument, RequestDocument, ServerDocument } from "./request-schema.ts";

/** Brings a document of the right shape into the form that the rest of Luksmith reads. */
export function normalize(document: RequestDocument): InstanceRequest {
  const image = document.image ? imageRequest(document.image) : null;
  const wished = document.config_drive ?? asBoolean(document.server.config_drive);
  return {
    server: serverRequest(document.server),
    image,
    block_device_mapping_v2: document.block_device_mapping_v2
      ? document.block_device_mapping_v2.filter((bdm) => !bdm.no_device).map(blockDevice)
      : attachedVolumes(document.server, image !== null),
    virt_type: document.virt_type ?? null,
    config_drive: wished || image?.properties["img_config_drive"] === "mandatory",
  };
}

function serverRequest(server: ServerDocument): ServerRequest {
  const { flavor } = server;
  return {
    id: server.id,
    name: server.name ?? null,
    instance_name: server["OS-EXT-SRV-ATTR:instance_name"] ?? null,
    tenant_id: server.tenant_id ?? server.project_id ?? null,
    user_id: server.user_id ?? null,
    root_device_name: server["OS-EXT-SRV-ATTR:root_device_name"] || null,
    image_id: server.image ? server.image.id : null,
    flavor: {
      name: flavor.original_name ?? flavor.name ?? null,
      vcpus: flavor.vcpus ?? null,
      ram: flavor.ram ?? null,
      disk: flavor.disk,
      ephemeral: flavor.ephemeral ?? flavor["OS-FLV-EXT-DATA:ephemeral"] ?? 0,
      swap: flavor.swap ?? 0,
      extra_specs: flavor.extra_specs ?? {},
    },
  };
}

function imageRequest(image: ImageDocument): ImageRequest {
  return {
    id: image.id,
    name: image.name ?? null,
    disk_format: image.disk_format ?? null,
    container_format: image.container_format ?? null,
    size: asBytes(image.size),
    virtual_size: asBytes(image.virtual_size),
    min_disk: image.min_disk ?? 0,
    min_ram: image.min_ram ?? 0,
    checksum: image.checksum ?? null,
    os_hash_algo: image.os_hash_algo ?? null,
    os_hash_value: image.os_hash_value ?? null,
    properties: imageProperties(image),
  };
}

function blockDevice(bdm: BdmDocument): BlockDeviceMappingV2 {
  return {
    // A missing source is reported elsewhere; a missing destination is a volume in Nova.
    source_type: bdm.source_type ?? "blank",
    destination_type: bdm.destination_type ?? "volume",
    uuid: bdm.uuid ?? null,
    boot_index: bdm.boot_index ?? null,
    volume_size: bdm.volume_size ?? null,
    guest_format: bdm.guest_format || null,
    disk_bus: bdm.disk_bus || null,
    device_type: bdm.device_type ?? null,
    device_name: bdm.device_name ?? null,
    delete_on_termination: bdm.delete_on_termination ?? false,
    tag: bdm.tag ?? null,
    volume_type: bdm.volume_type || null,
  };
}

/**
 * A server that exists lists its volumes but not which of them boots. Without an image the first one does: Nova lists
 * block devices in the order of the request, where the root disk stands first.
 */
function attachedVolumes(server: ServerDocument, hasImage: boolean): BlockDeviceMappingV2[] {
  const volumes = server["os-extended-volumes:volumes_attached"] ?? [];
  return volumes.map((volume, index) => ({
    source_type: "volume",
    destination_type: "volume",
    uuid: volume.id,
    boot_index: index === 0 && !hasImage ? 0 : null,
    volume_size: null,
    guest_format: null,
    disk_bus: null,
    device_type: null,
    device_name: null,
    delete_on_termination: volume.delete_on_termination ?? false,
    tag: null,
    volume_type: null,
  }));
}

function asBoolean(value: string | boolean | null | undefined): boolean {
  return typeof value === "string" ? boolFromString(value) : (value ?? false);
}

function asBytes(value: number | null | undefined): bigint | null {
  return value === null || value === undefined ? null : BigInt(value);
}
