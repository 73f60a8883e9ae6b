import type { FormattedContainer, GeneratedPassphrase, LuksHeader } from "@luksmith/luks";
import { isLuksmithError, LuksmithError } from "../errors/luksmith-error.ts";
import type { BaseImage } from "../images/cache/image-cache.ts";
import type { DiskContent, ImageSource } from "./disk-content.ts";
import { type OpenContent, openContent } from "./disk-content-source.ts";
import { eraseHeader } from "./erase-header.ts";
import type { HeaderStore } from "./header-store.ts";
import type { BackendCapabilities, ImageServices } from "./image-backend.ts";
import type { DiskIdentity, DiskSource, ImageDisk } from "./image-disk.ts";
import { type OpContext, throwIfCancelled } from "./op-context.ts";
import { openByStoredPassphrase, proveEncrypted } from "./prove.ts";
import { readHeader } from "./read-header.ts";
import type { Rollback, UndoRecord } from "./rollback.ts";
import { sameIdentity } from "./same-identity.ts";
import type { SnapshotTarget } from "./snapshot-target.ts";
import { type UnlockedDisk, unlockDisk } from "./unlock.ts";
import { verifyDisk } from "./verify.ts";
import type { VerifyReport } from "./verify-report.ts";

/** What a backend is asked to make. */
export interface AllocateImage {
  /** What the disk shall hold; absent for a blank one, or where `base` holds it. */
  readonly content: DiskContent | undefined;
  /** What an overlay shall stand on. */
  readonly base: BaseImage | undefined;
  /**
   * Header, first key slot and volume key; absent for a plain disk. Being made while the backend makes room, so await it
   * late. Disposed by the base class.
   */
  readonly container: Promise<FormattedContainer> | undefined;
}

export interface CreateImage {
  readonly source: ImageSource;
  /** The passphrase just made for this disk and already stored; absent for a plain disk. Stays the caller's. */
  readonly passphrase?: GeneratedPassphrase;
}

/**
 * One guest disk on one backend. Policy stands here (capability check, keys, proof, refusal to touch what is not
 * ours), mechanism in the hooks that a backend implements; a backend never talks to a key manager.
 */
export abstract class Image {
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
  /** Carries out what `allocate` or `exportTo` deferred. Idempotent; touches only what the record proves to be its own. */
  abstract undo(record: UndoRecord, ctx: OpContext): Promise<void>;
  /** Bytes the storage must still have free to hold the disk, its content and header included. */
  abstract spaceNeeded(contentBytes: bigint): bigint;
  /** Bytes free where the disk will be; undefined: cannot tell. */
  abstract spaceFree(ctx: OpContext): Promise<bigint | undefined>;

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

  /**
   * Makes the disk and proves it encrypted. Whatever fails, `undo` holds what is needed to take it back.
   * @throws `UnsupportedEncryptionFormat`, `DiskExists`, `NoSpace`, `DiskNotProven`, `Cancelled`
   */
  async create(request: CreateImage, undo: Rollback, ctx: OpContext): Promise<void> {
    this.requireEncryptionSupport();
    throwIfCancelled(ctx);
    await using opened = await this.openSource(request.source, ctx);
    const { content, base } = opened;
    if (!this.disk.encryption) {
      await this.allocate({ content, base, container: undefined }, undo, ctx);
      return;
    }
    const { passphrase } = request;
    if (!passphrase) {
      throw new LuksmithError(
        "InternalError",
        `${this.label} is to be encrypted, but no passphrase was made for it`,
      );
    }
    const { luks, policy } = this.services;
    const { uuid } = this.disk;
    const proving = policy.verify === "unlock";
    const container = luks.format(
      { uuid, payloadOffset: this.payloadOffset, passphrase, iterations: policy.pbkdfIterations },
      { retain: proving },
    );
    // Opened by the passphrase as the key manager has it, while the storage is written and synced.
    const unlocked = proving
      ? openByStoredPassphrase(this.disk, this.services, ctx)
      : Promise.resolve(undefined);
    // Either may fail long before it is awaited, which Node would take for a crash.
    for (const early of [container, unlocked]) early.catch(() => undefined);
    try {
      await this.allocate({ content, base, container }, undo, ctx);
      await using header = await this.header(ctx);
      await proveEncrypted(this.disk, header, await container, unlocked, ctx);
    } finally {
      for (const settled of await Promise.allSettled([container, unlocked])) {
        if (settled.status === "fulfilled") settled.value?.volumeKey[Symbol.dispose]();
      }
    }
  }

  /**
   * Grows the disk to `virtualSize` bytes exactly; the new part reads as noise (as zeros on a plain disk). Idempotent.
   * @throws `CannotShrink`, `DiskInUse`, `DiskNotProven` (cut short), `LuksHeaderInvalid`, `UnsupportedOperation`
   */
  async resize(virtualSize: bigint, ctx: OpContext): Promise<void> {
    if (!this.capabilities.resize) throw this.unsupported("resizing");
    const current = await this.actualSize(ctx);
    if (current < this.disk.virtualSize) throw this.wrongSize(current);
    if (virtualSize < current) {
      throw new LuksmithError(
        "CannotShrink",
        `${this.label} has ${current} bytes and cannot shrink to ${virtualSize}; ask for at least its present size`,
        { details: { disk: this.disk.name, current: Number(current), requested: Number(virtualSize) } },
      );
    }
    await this.requireIdle(ctx);
    if (this.disk.encryption) await this.requireReadableHeader(ctx);
    await this.grow(virtualSize, ctx);
  }

  /**
   * Writes a copy of the disk as it is now. The copy is never plain on the way: it is encrypted with a key of its own
   * unless the target says plain.
   * @throws `TargetExists`, `DiskInUse`, `DiskNotProven` (another size), `UnsupportedOperation`, `NoSpace`, `Cancelled`
   */
  async snapshot(target: SnapshotTarget, undo: Rollback, ctx: OpContext): Promise<DiskIdentity> {
    if (!this.capabilities.snapshot.includes(target.format))
      throw this.unsupported(`a ${target.format} snapshot`);
    await this.requireIdle(ctx);
    const current = await this.actualSize(ctx);
    if (current !== this.disk.virtualSize) throw this.wrongSize(current);
    using unlocked = this.disk.encryption ? await this.unlock(ctx) : undefined;
    return await this.exportTo(target, unlocked, undo, ctx);
  }

  /** Opens the disk with the stored passphrase; the caller disposes what it gets. */
  protected async unlock(ctx: OpContext): Promise<UnlockedDisk> {
    await using header = await this.header(ctx);
    return await unlockDisk(this.disk, header, this.services, ctx);
  }

  /** Looks whether the disk is what it should be; changes nothing. */
  async verify(ctx: OpContext): Promise<VerifyReport> {
    return verifyDisk(this.disk, this.path, this.services, ctx, {
      header: () => this.header(ctx),
      actualSize: () => this.actualSize(ctx),
    });
  }

  /**
   * Makes the content unreadable for good: every key slot disabled, its key material overwritten, synced.
   * Idempotent. Does nothing to a plain disk. Whoever has an older copy of the header and the passphrase can still read.
   */
  async erase(ctx: OpContext): Promise<void> {
    await this.requireIdle(ctx);
    await this.eraseKeys(ctx);
  }

  /**
   * Erases, then removes the disk if it still is `identity`. Idempotent: a disk that is gone is success.
   * @throws `DiskReplaced`, `DiskInUse`
   */
  async remove(identity: DiskIdentity, ctx: OpContext): Promise<void> {
    const found = await this.identify(ctx);
    if (found && !sameIdentity(found, identity)) {
      throw this.replaced("it is not the one this removal began with");
    }
    if (found) {
      // A removal that recovery carries forward may find a guest that was started since.
      await this.requireIdle(ctx);
      await this.eraseKeys(ctx, identity);
    }
    // Also for a disk that is gone: a removal that was cut short may have left what was around it.
    await this.destroy(identity, ctx);
  }

  /**
   * The identity of the disk under this name, once proven to be ours: by the UUID in its header, or for a plain disk
   * by the identity recorded at its creation.
   * @throws `DiskReplaced`
   */
  async requireOurs(recorded: DiskIdentity | undefined, ctx: OpContext): Promise<DiskIdentity | undefined> {
    const found = await this.identify(ctx);
    if (!found) return undefined;
    if (!this.disk.encryption) {
      if (recorded && !sameIdentity(found, recorded))
        throw this.replaced("its identity is not the recorded one");
      return found;
    }
    const header = await this.readOurHeader(ctx).catch((error: unknown) => {
      if (!isLuksmithError(error) || !["integrity", "unsupported"].includes(error.category)) throw error;
      // A damaged header is no reason to keep an operator from removing the very file that was made here.
      if (recorded && sameIdentity(found, recorded)) return undefined;
      throw this.replaced("it has no readable LUKS header", error);
    });
    if (header && header.uuid !== this.disk.uuid) {
      throw this.replaced(`its header belongs to ${header.uuid || "nobody"}`);
    }
    return found;
  }

  /** @throws `DiskInUse` */
  async requireIdle(ctx: OpContext): Promise<void> {
    const holders = await this.holders(ctx);
    if (holders.length === 0) return;
    throw new LuksmithError(
      "DiskInUse",
      `${this.label} is in use by ${holders.join(", ")}; stop the guest first, then try again`,
      { details: { disk: this.disk.name, path: this.path, holders } },
    );
  }

  /** @throws `UnsupportedEncryptionFormat` */
  requireEncryptionSupport(): void {
    const format = this.disk.encryption?.format;
    if (format === undefined || this.capabilities.encryption.includes(format)) return;
    throw new LuksmithError(
      "UnsupportedEncryptionFormat",
      `${this.label} asks for encryption format ${format}, which this backend cannot do; it can do ${this.capabilities.encryption.join(", ") || "none"}`,
      { details: { disk: this.disk.name, format, supported: this.capabilities.encryption } },
    );
  }

  /** The disk, for messages. */
  get label(): string {
    return `${this.disk.name} of instance ${this.disk.instanceUuid} (${this.path})`;
  }

  private async readOurHeader(ctx: OpContext): Promise<LuksHeader> {
    await using store = await this.header(ctx);
    return await readHeader(store, ctx);
  }

  /** Growing or copying a disk that nothing opens would only hide that. */
  private async requireReadableHeader(ctx: OpContext): Promise<void> {
    await this.readOurHeader(ctx);
  }

  private wrongSize(current: bigint): LuksmithError {
    return new LuksmithError(
      "DiskNotProven",
      `${this.label} has ${current} bytes where ${this.disk.virtualSize} were made: somebody else has changed it; nothing was touched, restore it from a backup`,
      {
        details: {
          disk: this.disk.name,
          path: this.path,
          actual: Number(current),
          expected: Number(this.disk.virtualSize),
        },
      },
    );
  }

  private async eraseKeys(ctx: OpContext, expected?: DiskIdentity): Promise<void> {
    if (!this.disk.encryption) return;
    await using header = await this.header(ctx, expected);
    await eraseHeader(header, this.payloadOffset, ctx);
  }

  private unsupported(what: string): LuksmithError {
    return new LuksmithError(
      "UnsupportedOperation",
      `${what} is not supported for ${this.label} by its backend`,
    );
  }

  private replaced(why: string, cause?: unknown): LuksmithError {
    return new LuksmithError(
      "DiskReplaced",
      `what stands at ${this.path} is not ${this.disk.name} of instance ${this.disk.instanceUuid}: ${why}; nothing was touched, look at it with "luksmith inspect" and move it away`,
      { details: { disk: this.disk.name, path: this.path }, ...(cause === undefined ? {} : { cause }) },
    );
  }
}
