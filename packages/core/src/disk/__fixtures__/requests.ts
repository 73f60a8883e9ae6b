import type { BlockDeviceMappingV2, FlavorRequest, InstanceRequest } from "../../request/instance-request.ts";

export const IMAGE_ID = "6a1f2c84-3b7d-4e59-9c0a-d8e5b71f4a26";

const FLAVOR: FlavorRequest = {
  name: "m1.tiny",
  vcpus: 1,
  ram: 512,
  disk: 1,
  ephemeral: 0,
  swap: 0,
  extra_specs: {},
};

export function bdm(over: Partial<BlockDeviceMappingV2>): BlockDeviceMappingV2 {
  return {
    source_type: "blank",
    destination_type: "local",
    uuid: null,
    boot_index: null,
    volume_size: null,
    guest_format: null,
    disk_bus: null,
    device_type: null,
    device_name: null,
    delete_on_termination: false,
    tag: null,
    volume_type: null,
    ...over,
  };
}

interface Parts {
  readonly flavor?: Partial<FlavorRequest>;
  readonly bdms?: readonly BlockDeviceMappingV2[];
  readonly image?: boolean;
  readonly root_device_name?: string;
  readonly properties?: Record<string, string>;
}

export function request({
  flavor,
  bdms,
  image = true,
  root_device_name,
  properties,
}: Parts): InstanceRequest {
  return {
    server: {
      id: "1f6d3c58-92ab-4d07-8e41-5b7c0a9e2d63",
      name: null,
      instance_name: null,
      tenant_id: null,
      user_id: null,
      root_device_name: root_device_name ?? null,
      image_id: image ? IMAGE_ID : null,
      flavor: { ...FLAVOR, ...flavor },
    },
    image: image
      ? {
          id: IMAGE_ID,
          name: null,
          disk_format: "raw",
          container_format: "bare",
          size: null,
          virtual_size: null,
          min_disk: 0,
          min_ram: 0,
          checksum: null,
          os_hash_algo: null,
          os_hash_value: null,
          properties: properties ?? {},
        }
      : null,
    block_device_mapping_v2: bdms ?? [],
    virt_type: null,
    config_drive: false,
  };
}

/** Ids in the order they are asked for: u0, u1, … */
export function counter(): () => string {
  let next = 0;
  return () => `u${next++}`;
}
