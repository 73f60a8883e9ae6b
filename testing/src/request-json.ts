import { randomUUID } from "node:crypto";
import { type InstanceRequest, parseRequest } from "@luksmith/core/host";

/** What a test may choose about REQUEST.json. */
export interface RequestKnobs {
  readonly instance?: string;
  readonly image?: string;
  readonly imageBytes?: number;
  readonly diskFormat?: string;
  /** GiB; 0 takes the image's size. */
  readonly disk?: number;
  /** GiB. */
  readonly ephemeral?: number;
  /** MiB. */
  readonly swap?: number;
  readonly encrypted?: boolean;
  readonly format?: string;
  readonly guestFormat?: string;
}

/** REQUEST.json for a server with one root disk, and what else `knobs` add. */
export function requestJson(knobs: RequestKnobs = {}): Record<string, unknown> {
  const { instance = randomUUID(), image = randomUUID(), disk = 0, ephemeral = 0, swap = 0 } = knobs;
  const specs = {
    ...(knobs.encrypted === false ? {} : { "hw:ephemeral_encryption": "true" }),
    ...(knobs.format === undefined ? {} : { "hw:ephemeral_encryption_format": knobs.format }),
  };
  return {
    server: {
      id: instance,
      name: "web",
      image: { id: image },
      flavor: { original_name: "m1.enc", vcpus: 1, ram: 512, disk, ephemeral, swap, extra_specs: specs },
    },
    image: {
      id: image,
      status: "active",
      disk_format: knobs.diskFormat ?? "raw",
      ...(knobs.imageBytes === undefined ? {} : { size: knobs.imageBytes }),
    },
    ...(knobs.guestFormat === undefined
      ? {}
      : { block_device_mapping_v2: ephemeralOf(image, ephemeral, knobs.guestFormat) }),
  };
}

export function instanceRequest(knobs: RequestKnobs = {}): Promise<InstanceRequest> {
  return parseRequest(requestJson(knobs));
}

function ephemeralOf(image: string, ephemeral: number, guestFormat: string): readonly object[] {
  return [
    { source_type: "image", destination_type: "local", uuid: image, boot_index: 0 },
    {
      source_type: "blank",
      destination_type: "local",
      boot_index: -1,
      volume_size: ephemeral,
      guest_format: guestFormat,
    },
  ];
}
