import { constants } from "node:fs";
import { dirname, join } from "node:path";
import {
  type AllocateImage,
  type BackendCapabilities,
  type CopyEnd,
  type DiskIdentity,
  type DiskSource,
  fileIdentity,
  fillRawSnapshot,
  freeSpace,
  type HeaderStore,
  Image,
  type ImageDisk,
  type ImageServices,
  ioError,
  lockHolders,
  newFile,
  type OpContext,
  openExisting,
  openFileHeader,
  operationError,
  removeEmptyDirectory,
  removeName,
  type Rollback,
  sameIdentity,
  type SnapshotTarget,
  type UndoRecord,
  undoNewFile,
  type UnlockedDisk,
  writeSnapshotFile,
} from "@luksmith/core";
import { writeDisk } from "./write-disk.ts";

/** The contract suite proves each of these. Declare what you can do, and no more. */
export const CAPABILITIES: BackendCapabilities = {
  formats: ["raw"],
  encryption: ["luks"],
  resize: true,
  snapshot: ["raw"],
  overlays: false,
};

const SECTOR = 512n;

/**
 * One disk in the storage, which is a directory of files until you change it. Policy and keys are the base class's; the
 * methods here only move bytes.
 */
export class AcmeImage extends Image {
  readonly path: string;
  protected readonly capabilities = CAPABILITIES;

  constructor(directory: string, disk: ImageDisk, services: ImageServices) {
    super(disk, services);
    this.path = join(directory, disk.instanceUuid, disk.name);
  }

  source(): DiskSource {
    return { type: "file", file: this.path, format: "raw" };
  }

  identify(_ctx: OpContext): Promise<DiskIdentity | undefined> {
    return fileIdentity(this.path);
  }

  spaceNeeded(contentBytes: bigint): bigint {
    return this.dataOffset + contentBytes;
  }

  spaceFree(_ctx: OpContext): Promise<bigint | undefined> {
    return freeSpace(this.path);
  }

  async actualSize(_ctx: OpContext): Promise<bigint> {
    const file = await openExisting(this.path, constants.O_RDONLY);
    try {
      return (await file.stat({ bigint: true })).size - this.dataOffset;
    } finally {
      await file.close();
    }
  }

  protected async allocate(request: AllocateImage, undo: Rollback, ctx: OpContext): Promise<void> {
    // Defers its undo before it makes anything, and never takes a name that is taken.
    await using file = await newFile(this.path, undo, { makeDirectories: true });
    try {
      await writeDisk(file.handle, this.disk, this.dataOffset, request, this.services.luks, ctx);
    } catch (error) {
      throw operationError(error, ctx.signal, `writing ${this.label}`, { path: this.path });
    }
    await file.publish(request.named);
  }

  protected undoMade(record: UndoRecord, _ctx: OpContext): Promise<void> {
    return undoNewFile(record);
  }

  protected header(_ctx: OpContext, expected?: DiskIdentity): Promise<HeaderStore> {
    return openFileHeader(this.path, expected);
  }

  protected async grow(virtualSize: bigint, _ctx: OpContext): Promise<void> {
    const file = await openExisting(this.path, constants.O_RDWR);
    try {
      await file.truncate(Number(this.dataOffset + virtualSize));
      await file.datasync();
    } catch (error) {
      throw ioError(error, `growing ${this.label}`, { path: this.path });
    } finally {
      await file.close();
    }
  }

  protected async destroy(identity: DiskIdentity, _ctx: OpContext): Promise<void> {
    const found = await fileIdentity(this.path);
    if (found && sameIdentity(found, identity)) await removeName(this.path);
    await removeEmptyDirectory(dirname(this.path));
  }

  protected holders(_ctx: OpContext): Promise<readonly string[]> {
    return lockHolders(this.path);
  }

  protected async exportTo(
    target: SnapshotTarget,
    unlocked: UnlockedDisk | undefined,
    undo: Rollback,
    ctx: OpContext,
  ): Promise<DiskIdentity> {
    const source = await openExisting(this.path, constants.O_RDONLY);
    const key = unlocked ? { volumeKey: unlocked.volumeKey } : {};
    const from: CopyEnd = { fd: source.fd, offset: this.dataOffset, ...key };
    const length = this.disk.virtualSize;
    const { services } = this;
    try {
      // Decrypted and encrypted again in memory: the copy has a key of its own.
      const fill = async (to: CopyEnd): Promise<void> => {
        await services.luks.copy({ from, to, length, sparse: !to.volumeKey, signal: ctx.signal });
      };
      return await writeSnapshotFile(
        target,
        undo,
        (file) => fillRawSnapshot(file, target, length, services, fill),
        ctx,
      );
    } catch (error) {
      throw operationError(error, ctx.signal, `copying ${this.label} to ${target.path}`);
    } finally {
      await source.close();
    }
  }

  /** Bytes before the guest's first. */
  private get dataOffset(): bigint {
    return this.disk.encryption ? BigInt(this.payloadOffset) * SECTOR : 0n;
  }
}
