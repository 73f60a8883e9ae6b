/** What is known of a guest before its disks are: it decides buses and names. */
export interface GuestContext {
  readonly virt_type: string;
  /** Architecture of the host, `x86_64`; the image's `hw_architecture` goes before it. */
  readonly arch: string;
  readonly image: GuestImage;
  readonly config: DiskConfig;
}

/** The parts of an image that decide about buses; a volume-backed server may have none of them. */
export interface GuestImage {
  readonly disk_format?: string | null;
  readonly properties: Readonly<Record<string, string>>;
}

/** Options of nova.conf that shape disk_info. */
export interface DiskConfig {
  /** `[libvirt] hw_machine_type`, each `arch=type`. */
  readonly hw_machine_type?: readonly string[];
  /** `[libvirt] disk_prefix`; empty is unset. */
  readonly disk_prefix?: string;
  /** `[compute] max_disk_devices_to_attach`; -1 (the default) is no limit. */
  readonly max_disk_devices_to_attach?: number;
  /** `[DEFAULT] config_drive_format`; `iso9660` is the default. */
  readonly config_drive_format?: "iso9660" | "vfat";
}

export const NO_IMAGE: GuestImage = { properties: {} };

/** Machine types for architectures where QEMU's own default is not wanted. */
const DEFAULT_MACHINE_TYPES = new Map([
  ["armv7l", "virt"],
  ["aarch64", "virt"],
  ["ppc64le", "pseries"],
  ["s390", "s390-ccw-virtio"],
  ["s390x", "s390-ccw-virtio"],
  ["i686", "pc"],
  ["x86_64", "pc"],
]);

/** The guest's architecture: the image's, else the host's. */
export function guestArch(context: GuestContext): string {
  return context.image.properties["hw_architecture"] ?? context.arch;
}

/** The image's machine type, else the host's configuration for the architecture, else the architecture's default. */
export function machineType(context: GuestContext): string | undefined {
  const fromImage = context.image.properties["hw_machine_type"];
  if (fromImage !== undefined) return fromImage;
  const arch = guestArch(context);
  for (const entry of context.config.hw_machine_type ?? []) {
    const equals = entry.indexOf("=");
    const type = entry.slice(equals + 1);
    // An entry without a type configures nothing.
    if (equals > 0 && type !== "" && entry.slice(0, equals) === arch) return type;
  }
  return DEFAULT_MACHINE_TYPES.get(arch);
}
