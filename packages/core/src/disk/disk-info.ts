import type { EncryptionFormat } from "../request/encryption-format.ts";

/** Buses that kvm and qemu guests can have disks on. */
export type DiskBus = "virtio" | "scsi" | "ide" | "usb" | "fdc" | "sata";
/** What a guest sees a device as. */
export type DeviceType = "disk" | "cdrom" | "floppy" | "lun";

/** Options of an encryption format; nothing defines any yet, they are carried along. */
export type EncryptionOptions = Readonly<Record<string, unknown>>;

/** Which disks a guest has and where: the document that libvirt XML and the image backends are driven by. */
export interface DiskInfo {
  /** The bus of hard disks that nothing else is said about. */
  readonly disk_bus: DiskBus;
  readonly cdrom_bus: DiskBus;
  /**
   * By name: `root` (always), `disk`, `disk.local`, `disk.ephN`, `disk.swap`, `disk.config`, `disk.rescue`,
   * `disk.config.rescue`, and `/dev/<dev>` for volumes, in the order they were allocated. `disk` and `root` are one
   * object when the root disk is local.
   */
  readonly mapping: Readonly<Record<string, DiskMapping>>;
}

/** One guest device. The encryption keys are all there or all absent, but for the options. */
export interface DiskMapping {
  readonly bus: DiskBus;
  /** Device name without `/dev/`. */
  readonly dev: string;
  readonly type: DeviceType;
  /** What to put on a blank disk: `swap`, `ext4`, … */
  readonly format?: string;
  /** 1-based, in decimal. */
  readonly boot_index?: string;
  readonly encrypted?: true;
  /** Null until a secret exists. */
  readonly encryption_secret_uuid?: string | null;
  readonly encryption_format?: EncryptionFormat;
  readonly encryption_options?: EncryptionOptions;
}

/** A mapping under construction; keys keep the order of allocation. */
export type MutableMapping = Record<string, DiskMapping>;
