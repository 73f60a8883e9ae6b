import type { EncryptionOptions } from "../disk/disk-info.ts";
import type { EncryptionFormat } from "../request/encryption-format.ts";
import type { Json } from "./rollback.ts";

/** One guest disk: what must be known to find, open or make it. */
export interface ImageDisk {
  readonly instanceUuid: string;
  /** Its name in disk_info: `disk`, `disk.eph0`, `disk.swap`. */
  readonly name: string;
  /** The block device mapping's UUID; also the UUID in the LUKS header. */
  readonly uuid: string;
  /** Bytes that the guest sees; a multiple of 512. */
  readonly virtualSize: bigint;
  /** Absent: a plain disk. */
  readonly encryption?: DiskEncryption;
  /** What it stands on; known once it was made. */
  readonly backing?: BackingSource;
}

export interface DiskEncryption {
  readonly format: EncryptionFormat;
  /** `encryption_secret_uuid`; null until the secret exists. */
  readonly secretId: string | null;
  /** `encryption_options`: what opens the disk besides the key, where its format writes that nowhere. Never a secret. */
  readonly options?: EncryptionOptions;
}

/** Whether the disk begins with a LUKS header: everything encrypted but dm-crypt's plain mode, which has none. */
export function hasHeader({ encryption }: Pick<ImageDisk, "encryption">): boolean {
  return encryption !== undefined && encryption.format !== "plain";
}

/** The secret that goes with a disk; undefined for one that somebody else made, and keeps (`options.adopted`). */
export function ownSecret(encryption: DiskEncryption | undefined): string | undefined {
  if (encryption?.options?.["adopted"] === true) return undefined;
  return encryption?.secretId ?? undefined;
}

/** A base that an overlay stands on, as it was when the overlay was made. */
export interface BackingSource {
  /** Absolute. */
  readonly file: string;
  readonly format: "raw" | "qcow2";
  /** Bytes that it shows. */
  readonly virtualSize: number;
  /** An encrypted base keeps the secret of the image it was made of. */
  readonly secretId?: string;
  readonly identity: DiskIdentity;
}

/** Where libvirt finds a disk; becomes `<source>` and `<driver>`. */
export type DiskSource = {
  /** The `<driver type>`: never `luks`, which libvirt does not know. */
  readonly format: "raw" | "qcow2";
  /** Only for an overlay. */
  readonly backing?: BackingSource;
} & ({ readonly type: "file"; readonly file: string } | BlockSource | RbdPlace);

/** An image in Ceph, as a guest's QEMU gets at it. */
export interface RbdPlace {
  readonly type: "network";
  readonly protocol: "rbd";
  /** `POOL/IMAGE`, `POOL/NAMESPACE/IMAGE` */
  readonly name: string;
  /** Monitors; none: QEMU looks where Ceph itself looks. */
  readonly hosts: readonly { readonly name: string; readonly port?: string }[];
  /** Absent where Ceph asks for none; the secret is one of libvirt's, of usage `ceph`. */
  readonly auth?: { readonly username: string; readonly secretId: string };
  /** What decrypts: QEMU's own LUKS (the default), or librbd. */
  readonly engine?: "qemu" | "librbd";
}

export interface BlockSource {
  readonly type: "block";
  readonly dev: string;
  /** The disk is encrypted, and the device shows it decrypted: the hypervisor needs no key. */
  readonly decryptedBy?: "kernel";
  /** Bytes before the guest's first, on a device that may be longer than the disk: that ends its virtual size after them. */
  readonly dataOffset?: number;
}

/** Whether a hypervisor finds the disk decrypted by its host. */
export function isDecryptedByHost(source: DiskSource): boolean {
  return source.type === "block" && source.decryptedBy !== undefined;
}

/** What tells this very disk from another under the same name; a backend's own (device and inode, an image id). */
export type DiskIdentity = { readonly [key: string]: Json };

/** An ImageDisk for the journal. */
export function diskToJson(disk: ImageDisk): DiskIdentity {
  const { instanceUuid, name, uuid, virtualSize, encryption, backing } = disk;
  const sealed = encryption ? encryptionToJson(encryption) : null;
  const json = { instanceUuid, name, uuid, virtualSize: String(virtualSize), encryption: sealed };
  return backing ? { ...json, backing: { ...backing } } : json;
}

function encryptionToJson({ format, secretId, options }: DiskEncryption): Json {
  return { format, secretId, ...(options ? { options: options as Json } : {}) };
}

export function diskFromJson(json: Json): ImageDisk {
  const { encryption, virtualSize, ...rest } = json as unknown as Omit<
    ImageDisk,
    "virtualSize" | "encryption"
  > & {
    virtualSize: string;
    encryption: DiskEncryption | null;
  };
  return { ...rest, virtualSize: BigInt(virtualSize), ...(encryption ? { encryption } : {}) };
}
