import type { LuksEngine } from "@luksmith/luks";
import type { CommandRunner } from "../command/command-runner.ts";
import { extensionPoint, token } from "../di/token.ts";
import type { ImageCache } from "../images/cache/image-cache.ts";
import type { CacheEntry } from "../images/cache/prune-cache.ts";
import type { KeyManager } from "../key-manager/key-manager.ts";
import type { EncryptionOptions } from "../disk/disk-info.ts";
import type { EncryptionFormat } from "../request/encryption-format.ts";
import type { Image } from "./image.ts";
import type { DiskIdentity, ImageDisk } from "./image-disk.ts";
import type { MappingListener } from "./mapping-listener.ts";
import type { OpContext } from "./op-context.ts";

/** What a backend says it can do; the contract suite proves it. */
export interface BackendCapabilities {
  /** Formats a disk is stored in. */
  readonly formats: readonly ("raw" | "qcow2")[];
  readonly encryption: readonly EncryptionFormat[];
  readonly resize: boolean;
  /** Formats a snapshot can be written in; empty: none. */
  readonly snapshot: readonly ("raw" | "qcow2")[];
  /** Disks can stand on a base and hold only what differs: they can be flattened and put on another base. */
  readonly overlays: boolean;
  /**
   * Disks may be clones of images in their own storage, as that alone knows: they can be flattened, not put on another base.
   * Default: false.
   */
  readonly clones?: boolean;
  /**
   * Other hosts see the same disks under the same names: one that moves with its guest stays where it is, and the host that it
   * left does not remove it. Default: false.
   */
  readonly shared?: boolean;
  /**
   * Passphrases can be changed while a guest has the disk open: whoever decrypts for it has read the header when it opened the disk, keeps the
   * volume key alone, and never writes to the header. Default: false.
   */
  readonly rekeyOpen?: boolean;
}

/** Options of an encryption format without a header. */
export type KeyOptions = EncryptionOptions & {
  /** Bits of the key. */
  readonly key_size: number;
};

/** A kind of storage. `name` is the value of `[libvirt] images_type` that selects it. */
export interface ImageBackend {
  readonly name: string;
  readonly capabilities: BackendCapabilities;
  /** Cheap and pure: touches nothing until a method of the image is called. */
  image(disk: ImageDisk): Image;
  /** What opens a new disk of a format besides its key (`DiskEncryption.options`), where the format writes that nowhere. */
  optionsOf?(format: EncryptionFormat): KeyOptions | undefined;
  /**
   * Answers for several disks that may be made what `Image.identify` and `Image.spaceFree` answer for each, where every question
   * costs a program. Left out: each image is asked.
   */
  survey?(disks: readonly ImageDisk[], ctx: OpContext): Promise<StorageSurvey>;
  /** What clones stand on. Left out: there are none. */
  readonly bases?: StorageBases;
  /**
   * Whether encrypted disks could be made now, as far as that can be told cheaply and without leaving anything behind:
   * the storage is there and can be written, the programs are installed. Asked each minute or so; undefined if ready, else
   * the reason, for people. Traits follow from it. Left out: always ready.
   * @throws only `Cancelled`
   */
  ready?(ctx: OpContext): Promise<string | undefined>;
  /**
   * Everything on the storage that has the place and the name of a disk of this backend, whoever made it, in no order; changes
   * nothing. What comes and goes meanwhile may be there or not. Left out: `luksmith gc` finds no disk here that is not recorded.
   * @throws what keeps the storage from being looked at as a whole: a list that is cut short would pass for the whole
   */
  list?(ctx: OpContext): AsyncIterable<StoredDisk>;
  /** Disks of this backend that this host's kernel has open, decrypted, whoever opened them; changes nothing. */
  mappings?(ctx: OpContext): Promise<readonly OpenMapping[]>;
}

/** A device by which this host's kernel shows a disk in clear. */
export interface OpenMapping {
  /** `/dev/mapper/NAME` */
  readonly mapping: string;
  /** By its name. */
  readonly instanceUuid: string;
  readonly name: string;
  /** Of the LUKS header that it was opened by; undefined: of a format without one. */
  readonly uuid: string | undefined;
}

/** What stands on the storage under the name of a disk. */
export interface StoredDisk {
  /** As `Image.path`. */
  readonly path: string;
  /** By its name; both undefined for what has a name that a creation gives for a while. */
  readonly instanceUuid: string | undefined;
  readonly name: string | undefined;
  /** As `Image.identify`. */
  readonly identity: DiskIdentity;
  /** The disk's UUID as the storage itself says: by a LUKS header, or a tag. Never by the name. */
  readonly uuid: string | undefined;
  /**
   * Active key slots of its LUKS header. 0: nothing opens it any more, as where there is noise instead of a header (`bearingOf`);
   * undefined where it is something else, or cannot be read.
   */
  readonly keySlots: number | undefined;
  /** ISO 8601: when it was made or last changed, the later of what is known. */
  readonly changedAt: string;
  /** Other hosts have disks here too. */
  readonly shared: boolean;
}

/** One look at the storage. */
export interface StorageSurvey {
  /** What stands under the name of each disk, in their order; undefined: nothing. */
  readonly found: readonly (DiskIdentity | undefined)[];
  /** Bytes free where they will be; undefined: cannot tell. */
  readonly free: bigint | undefined;
}

/** Images in the storage itself that disks are clones of; shared by all hosts that have the storage. */
export interface StorageBases {
  /** Changes nothing. */
  list(ctx: OpContext): Promise<readonly CacheEntry[]>;
  /**
   * Removes one that no disk stands on. Idempotent.
   * @returns false: somebody has made a clone of it meanwhile, and it was not touched
   */
  remove(base: CacheEntry, ctx: OpContext): Promise<boolean>;
}

/** Adds formats of encryption to a backend that another plugin provides. */
export interface BackendExtension {
  /** The backend's name; nothing happens where no plugin provides it. */
  readonly backend: string;
  /** Pure, like `ImageBackend.image`. @returns a backend of the same name */
  extend(backend: ImageBackend): ImageBackend;
  /**
   * What may open a disk that somebody else has made: `given`, and for what is not given each that is likely.
   * @throws `InvalidRequest` for what opens no disk
   */
  optionsToTry(given: EncryptionOptions): readonly KeyOptions[];
  /** Disks of these formats on this host, whoever made them; changes nothing. */
  find?(ctx: OpContext): Promise<readonly FoundDisk[]>;
}

/** A disk that was found by its name and by what the kernel says. */
export interface FoundDisk {
  readonly instanceUuid: string;
  /** As in disk_info. */
  readonly name: string;
  readonly path: string;
  /** Bytes of the storage. */
  readonly bytes: bigint;
  /** The open mapping; undefined: it is not open, and may be of another format. */
  readonly mapping?: string;
  /** As the mapping was opened. */
  readonly cipher?: string;
}

/** What core lends to images. */
export interface ImageServices {
  readonly keys: KeyManager;
  readonly luks: LuksEngine;
  readonly commands: CommandRunner;
  readonly cache: ImageCache;
  readonly policy: ImagePolicy;
  /** To be called by a backend that has the kernel decrypt. Absent: nobody wants to know. */
  readonly mapped?: MappingListener;
}

/** The operator's choices that concern every backend. */
export interface ImagePolicy {
  /** PBKDF2 iterations for generated passphrases, 1000 to 12 000 000. */
  readonly pbkdfIterations: number;
  /** `unlock`: a new disk is opened with the passphrase as the key manager has it; `header`: only read back. */
  readonly verify: "unlock" | "header";
  /** Nova's `preallocate_images`. */
  readonly preallocate: "none" | "space";
  /** Nova's `force_raw_images`: bases of overlays are raw, whatever the image was. */
  readonly forceRaw: boolean;
  /** For external commands, in ms. */
  readonly commandTimeoutMs: number;
}

export const ImageBackends = extensionPoint<ImageBackend>("luksmith.image-backends");
export const BackendExtensions = extensionPoint<BackendExtension>("luksmith.backend-extensions");
export const ImageServicesToken = token<ImageServices>("luksmith.image-services");
