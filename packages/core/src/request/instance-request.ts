/** Where a block device's content comes from. */
export type SourceType = "volume" | "image" | "snapshot" | "blank";
/** Where a block device lives: `local` disks are ours to make, `volume`s are Cinder's. */
export type DestinationType = "local" | "volume";
/** Device types that Nova's API knows; libvirt guests get `disk` instead of `fs`. */
export type ApiDeviceType = "cdrom" | "disk" | "floppy" | "fs" | "lun";

/** What REQUEST.json asks for, checked and normalised: the input of everything else. */
export interface InstanceRequest {
  readonly server: ServerRequest;
  /** The image that the root disk is made of; null when the server boots from a volume. */
  readonly image: ImageRequest | null;
  /** The block devices of the request, `no_device` entries left out. The image's root disk may be implied. */
  readonly block_device_mapping_v2: readonly BlockDeviceMappingV2[];
  /** The hypervisor flavour that the request insists on; null leaves it to `[libvirt] virt_type`. */
  readonly virt_type: string | null;
  /** Whether a config drive is due: asked for, or the image makes it mandatory. `force_config_drive` is the host's. */
  readonly config_drive: boolean;
}

/** The parts of a Nova server that decide about disks. */
export interface ServerRequest {
  /** Lower-case canonical UUID; it becomes part of file, volume and image names. */
  readonly id: string;
  readonly name: string | null;
  /** libvirt's domain name, `instance-0000002a`, when the server carries it. */
  readonly instance_name: string | null;
  readonly tenant_id: string | null;
  readonly user_id: string | null;
  /** With or without `/dev/`; null lets the host choose. */
  readonly root_device_name: string | null;
  readonly image_id: string | null;
  readonly flavor: FlavorRequest;
}

/** The flavor embedded in a server since microversion 2.47. */
export interface FlavorRequest {
  readonly name: string | null;
  readonly vcpus: number | null;
  /** Memory in MiB. */
  readonly ram: number | null;
  /** Root disk in GiB; 0 takes the image's own size. */
  readonly disk: number;
  /** Ephemeral space in GiB. */
  readonly ephemeral: number;
  /** Swap in MiB. */
  readonly swap: number;
  readonly extra_specs: Readonly<Record<string, string>>;
}

/** A Glance v2 image. */
export interface ImageRequest {
  /** Lower-case canonical UUID. */
  readonly id: string;
  readonly name: string | null;
  readonly disk_format: string | null;
  readonly container_format: string | null;
  /** Bytes of the image's data as stored. */
  readonly size: bigint | null;
  /** Bytes that a guest would see, when Glance knows them. */
  readonly virtual_size: bigint | null;
  /** GiB. */
  readonly min_disk: number;
  /** MiB. */
  readonly min_ram: number;
  readonly checksum: string | null;
  readonly os_hash_algo: string | null;
  readonly os_hash_value: string | null;
  /** Everything that is not a field of Glance's own, as strings. */
  readonly properties: Readonly<Record<string, string>>;
}

/** One entry of `block_device_mapping_v2`, normalised. */
export interface BlockDeviceMappingV2 {
  readonly source_type: SourceType;
  readonly destination_type: DestinationType;
  /** Id of the image, volume or snapshot; null for blank devices. */
  readonly uuid: string | null;
  /** 0 is the root disk; null and negative numbers do not boot. */
  readonly boot_index: number | null;
  /** GiB, but MiB for swap (as the flavor counts it). */
  readonly volume_size: number | null;
  readonly guest_format: string | null;
  readonly disk_bus: string | null;
  readonly device_type: ApiDeviceType | null;
  /** Kept for the root disk only: libvirt hosts name the other devices themselves. */
  readonly device_name: string | null;
  readonly delete_on_termination: boolean;
  readonly tag: string | null;
  readonly volume_type: string | null;
}
