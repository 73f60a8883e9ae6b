import type { FormattedContainer, GeneratedPassphrase, LuksHeader } from "@luksmith/luks";
import { openFileHeader } from "../file/file-header-store.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { NewFile } from "../file/new-file.ts";
import type { BaseImage } from "../images/cache/image-cache.ts";
import type { DiskContent, ImageSource } from "./disk-content.ts";
import { type OpenContent, openContent } from "./disk-content-source.ts";
import type { HeaderStore } from "./header-store.ts";
import type { BackendCapabilities, ImageServices } from "./image-backend.ts";
import { type DiskIdentity, type DiskSource, hasHeader, type ImageDisk } from "./image-disk.ts";
import * as refusals from "./image-refusals.ts";
import type { OpContext } from "./op-context.ts";
import { type BytesPlace, type OpenBytes, openBytes, pathOfSource } from "./open-bytes.ts";
import { type OpenParts, partsOfBytes } from "./open-parts.ts";
import type { OverlayHooks, StandingHooks } from "./overlay-hooks.ts";
import { readHeader } from "./read-header.ts";
import type { Rollback, UndoRecord } from "./rollback.ts";
import type { SnapshotTarget } from "./snapshot-target.ts";
import { payloadAfter, type StoredPayload } from "./stored-payload.ts";
import { type UnlockedDisk, unlockDisk } from "./unlock.ts";

/** What a backend is asked to make. */
export interface AllocateImage {
  /** What `content` or `base` is of. */
  readonly source: ImageSource;
  /** What the disk shall hold; absent for a blank one, or where `base` holds it. */
  readonly content: DiskContent | undefined;
  /** What an overlay shall stand on. */
  readonly base: BaseImage | undefined;
  /**
   * Header, first key slot and volume key; absent for a plain disk. Being made while the backend makes room, so await it
   * late. Disposed by the base class.
   */
  readonly container: Promise<FormattedContainer> | undefined;
  /** Nothing needs to be cleared: who asks encrypts all that is ever read of it. */
  readonly opaque?: boolean;
  /** Of a disk whose format has no header (`plain`): what its key is made of. The caller's. */
  readonly passphrase?: GeneratedPassphrase;
  /**
   * To be called, once at most, when the disk can be read under its name, before it is durable: what was written is then
   * read back while the storage syncs. Without the call that happens after `allocate`.
   */
  readonly named?: () => void;
}

/** What becomes of a disk's storage, in sentences for people. */
export interface Disposal {
  /** What is done: `the file is unlinked`. */
  readonly how: string;
  /** Copies of what was erased that there may be all the same, of which this backend cannot know. */
  readonly elsewhere: readonly string[];
}

/** The mechanism below `Image`: what a backend implements, and what the base class looks at before it acts. */
export abstract class ImageHooks {
  readonly disk: ImageDisk;
  protected readonly services: ImageServices;

  constructor(disk: ImageDisk, services: ImageServices) {
    this.disk = disk;
    this.services = services;
  }

  /** Where the disk is, for people: a file, a device, `rbd:pool/image`. */
  abstract readonly path: string;
  protected abstract readonly capabilities: BackendCapabilities;
  /** Sectors of 512 bytes before the payload; a multiple of 8, at least 4040. */
  protected readonly payloadOffset: number = 4096;

  /** For libvirt's XML; pure. */
  abstract source(): DiskSource;
  /** What stands under this disk's name now; undefined: nothing. */
  abstract identify(ctx: OpContext): Promise<DiskIdentity | undefined>;
  /** Bytes the storage must still have free to hold the disk, its content and header included. */
  abstract spaceNeeded(contentBytes: bigint): bigint;
  /** Bytes free where the disk will be; undefined: cannot tell. */
  abstract spaceFree(ctx: OpContext): Promise<bigint | undefined>;

  /**
   * Makes the disk of a file that is a disk of this backend on another host: the same bytes. Left out: cannot.
   * Durable when it resolves; the caller proves what came.
   * @throws `DiskExists`, `DiskNotFound`, `NoSpace`, `Cancelled`
   */
  adopt?(from: string, undo: Rollback, ctx: OpContext): Promise<void>;

  /** Where a guest that Luksmith runs finds the disk once `activate` has made it ready, if not at `source`. Pure. */
  get guestSource(): DiskSource {
    return this.source();
  }

  /**
   * Makes what `guestSource` names be there, for storage of which a reboot of the host leaves something to be done. Idempotent.
   * @throws what keeps the disk from being opened
   */
  async activate(_ctx: OpContext): Promise<void> {}

  /** Takes away what `activate` made. Idempotent. @throws `DiskInUse` */
  async deactivate(_ctx: OpContext): Promise<void> {}

  /** @throws `UnsupportedOperation` where a disk cannot grow while its guest runs, with nothing changed */
  requireGrowsRunning(): void {
    if (!this.capabilities.resize) throw refusals.unsupportedOperation(this, "resizing");
  }

  /**
   * Makes the storage of a disk that a running guest has open larger, as far as its hypervisor does not do that itself. Idempotent.
   * @throws `NoSpace`, with nothing changed
   */
  async growBelow(_virtualSize: bigint, _ctx: OpContext): Promise<void> {}

  /**
   * What shows that the stored key is this disk's: an active mapping made with it, a file system behind it. Undefined:
   * nothing but noise. Left out: the format itself tells.
   */
  evidence?(ctx: OpContext): Promise<string | undefined>;

  /**
   * Gives the disk another name of the same instance's (`ImageDisk.name`), under which there is nothing. Durable when it
   * resolves, and idempotent: a disk that has the name already is success. Left out: cannot.
   * @throws `DiskExists`, `DiskNotFound`, `DiskReplaced`: it is not `identity`
   */
  rename?(identity: DiskIdentity, name: string, ctx: OpContext): Promise<void>;

  /**
   * Makes an empty file an empty qcow2 image of the disk's size, encrypted as the target says, into which a hypervisor copies the
   * disk while its guest runs. Left out: such copies are raw.
   */
  makeCopyTarget?(file: NewFile, target: SnapshotTarget): Promise<void>;

  /** What `destroy` does to the storage, and where it cannot reach; for receipts. */
  get disposal(): Disposal {
    return { how: "removed by its backend", elsewhere: [] };
  }

  /** Only of a backend whose disks stand on bases (`overlays`). */
  protected get overlay(): OverlayHooks | undefined {
    return undefined;
  }

  /** Only of a backend whose disks stand on bases, or may (`overlays`, `clones`). */
  protected get standing(): StandingHooks | undefined {
    return this.overlay;
  }

  /** Carries out what `allocate` or `exportTo` deferred. Idempotent; touches only what the record proves to be its own. */
  protected abstract undoMade(record: UndoRecord, ctx: OpContext): Promise<void>;

  /** Gets at what a new disk shall hold; a backend that makes overlays asks the cache for a base instead. */
  protected openSource(source: ImageSource, ctx: OpContext): Promise<OpenContent> {
    return openContent(source, this.disk, this.services, ctx);
  }

  /** Makes the disk, durable when it resolves, or throws `DiskExists` without having touched anything. */
  protected abstract allocate(request: AllocateImage, undo: Rollback, ctx: OpContext): Promise<void>;
  /**
   * The bytes that hold the header.
   * @param expected what must be open in the end, whatever has its name by then
   * @throws `DiskNotFound`, `DiskReplaced`
   */
  protected abstract header(ctx: OpContext, expected?: DiskIdentity): Promise<HeaderStore>;
  /** The header of a copy in a file: what `snapshot` has written and `adopt` takes. */
  protected headerOfCopy(path: string, expected?: DiskIdentity): Promise<HeaderStore> {
    return openFileHeader(path, expected);
  }
  /** What is stored for the guest, to look at without a key. Overridden where that is not in one piece after the header. */
  protected async payload(ctx: OpContext): Promise<StoredPayload> {
    return payloadAfter(await this.header(ctx), BigInt(this.dataSectors) * 512n);
  }
  /** Copies of the header that the storage itself keeps, and that no write reaches: names of snapshots, for people. */
  protected async headerCopies(_ctx: OpContext): Promise<readonly string[]> {
    return [];
  }
  /** Removes them from a disk that is to be erased, if it is still `expected`; idempotent. */
  protected async removeHeaderCopies(_ctx: OpContext, _expected?: DiskIdentity): Promise<void> {}
  /** Makes the disk larger; durable when it resolves; idempotent. */
  protected abstract grow(virtualSize: bigint, ctx: OpContext): Promise<void>;
  /** Bytes that a guest would see, from the storage itself. */
  abstract actualSize(ctx: OpContext): Promise<bigint>;
  /** Removes the disk if it is still `identity`, and what it alone needed; idempotent. Durable when it resolves. */
  protected abstract destroy(identity: DiskIdentity, ctx: OpContext): Promise<void>;
  /** Processes that have the disk open, for people (`qemu-system-x86 (4711)`). */
  protected abstract holders(ctx: OpContext): Promise<readonly string[]>;
  protected abstract exportTo(
    target: SnapshotTarget,
    unlocked: UnlockedDisk | undefined,
    undo: Rollback,
    ctx: OpContext,
  ): Promise<DiskIdentity>;

  /** Opens the disk with the stored passphrase; the caller disposes what it gets. */
  protected async unlock(ctx: OpContext): Promise<UnlockedDisk> {
    await using header = await this.header(ctx);
    return await unlockDisk(this.disk, header, this.services, ctx);
  }

  /** Where the guest's bytes are, of a disk that is in one piece. */
  protected get bytesPlace(): BytesPlace | undefined {
    const path = pathOfSource(this.source());
    return path === undefined ? undefined : { path, offset: BigInt(this.dataSectors) * 512n };
  }

  /** Whether `openBytes` can be asked for them. */
  get isInOnePiece(): boolean {
    return this.bytesPlace !== undefined;
  }

  /** Sectors before the guest's first byte. */
  private get dataSectors(): number {
    return hasHeader(this.disk) ? this.payloadOffset : 0;
  }

  /**
   * Opens the guest's bytes for a copy, which nobody else may use meanwhile.
   * @throws `UnsupportedOperation` where they are not in one piece, `DiskInUse`, and what keeps the disk from being unlocked
   */
  async openBytes(access: "read" | "write", ctx: OpContext): Promise<OpenBytes> {
    const place = this.bytesPlace;
    if (!place) throw refusals.unsupportedOperation(this, "copying in one piece");
    await this.requireIdle(ctx);
    const unlocked = this.disk.encryption ? await this.unlock(ctx) : undefined;
    return await openBytes(place, access, unlocked);
  }

  /** Whether `openParts` can be asked for. */
  get hasParts(): boolean {
    return this.isInOnePiece;
  }

  /**
   * Opens what the disk stores, for a copy to or from another that was made like it, which nobody else may use meanwhile.
   * Overridden together with `hasParts` where it is not in one piece.
   * @throws as `openBytes`
   */
  async openParts(access: "read" | "write", ctx: OpContext): Promise<OpenParts> {
    return partsOfBytes(await this.openBytes(access, ctx), this.disk.virtualSize);
  }

  /** Bytes of storage that another disk with the same content takes, made like this one. */
  async spaceForTwin(_ctx: OpContext): Promise<bigint> {
    return this.spaceNeeded(this.disk.virtualSize);
  }

  /** @throws `DiskInUse` */
  async requireIdle(ctx: OpContext): Promise<void> {
    const holders = await this.holders(ctx);
    if (holders.length > 0) throw refusals.diskInUse(this, holders);
  }

  /** @throws `HeaderCopiesRemain`: what is taken away from the header would stay in them */
  async requireNoHeaderCopies(ctx: OpContext): Promise<void> {
    const copies = await this.headerCopies(ctx);
    if (copies.length > 0) throw refusals.headerCopiesRemain(this, copies);
  }

  /** @throws `UnsupportedEncryptionFormat` */
  requireEncryptionSupport(): void {
    const format = this.disk.encryption?.format;
    if (format === undefined || this.capabilities.encryption.includes(format)) return;
    throw refusals.unsupportedFormat(this, this.capabilities.encryption);
  }

  /** The disk, for messages. */
  get label(): string {
    return `${this.disk.name} of instance ${this.disk.instanceUuid} (${this.path})`;
  }

  protected async readOurHeader(ctx: OpContext): Promise<LuksHeader> {
    await using store = await this.header(ctx);
    return await readHeader(store, ctx);
  }

  protected requireSecret(): string {
    const secretId = hasHeader(this.disk) ? this.disk.encryption?.secretId : undefined;
    if (secretId) return secretId;
    const why = this.disk.encryption ? "has no key slots" : "is not encrypted";
    throw new LuksmithError("UnsupportedOperation", `${this.label} ${why}: there is no key to change`, {
      details: { disk: this.disk.name },
    });
  }

  protected async requireMadeSize(ctx: OpContext): Promise<void> {
    const current = await this.actualSize(ctx);
    if (current !== this.disk.virtualSize) throw refusals.wrongSize(this, current);
  }

  protected requireStanding(what: string): StandingHooks {
    const { overlays, clones = false } = this.capabilities;
    if ((overlays || clones) && this.standing) return this.standing;
    throw refusals.unsupportedOperation(this, what);
  }

  protected requireOverlays(what: string): OverlayHooks {
    if (this.capabilities.overlays && this.overlay) return this.overlay;
    throw refusals.unsupportedOperation(this, what);
  }
}
