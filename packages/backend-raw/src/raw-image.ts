import { constants } from "node:fs";
import {
  type AllocateImage,
  type DiskIdentity,
  type DiskSource,
  FileImage,
  type HeaderStore,
  ioError,
  type NewFile,
  newFile,
  type OpContext,
  openExisting,
  openFileHeader,
  operationError,
  preallocate,
  type Rollback,
  type SnapshotTarget,
  type UnlockedDisk,
} from "@luksmith/core";
import { RAW_CAPABILITIES } from "./capabilities.ts";
import { exportDisk } from "./export-disk.ts";
import { makeQcow2 } from "./fill-qcow2.ts";
import { writeDisk } from "./write-disk.ts";

const SECTOR = 512n;

/**
 * A disk in a file: for an encrypted one the LUKS header, then the payload from sector 4096 on; for a plain one the
 * guest's bytes as they are. The guest sees exactly `virtualSize` bytes either way.
 */
export class RawImage extends FileImage {
  protected readonly capabilities = RAW_CAPABILITIES;

  source(): DiskSource {
    return { type: "file", file: this.path, format: "raw" };
  }

  spaceNeeded(contentBytes: bigint): bigint {
    const content = this.services.policy.preallocate === "space" ? this.disk.virtualSize : contentBytes;
    return this.dataOffset + content;
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
    await using file = await newFile(this.path, undo, { makeDirectories: true });
    if (this.services.policy.preallocate === "space") {
      await preallocate(
        file.handle.fd,
        this.dataOffset + this.disk.virtualSize,
        this.label,
        this.services,
        ctx,
      );
    }
    await writeDisk(file.handle, this.disk, this.dataOffset, request, this.services.luks, ctx).catch(
      (error: unknown) => {
        throw operationError(error, ctx.signal, `writing ${this.label}`, {
          disk: this.disk.name,
          path: this.path,
        });
      },
    );
    await file.publish(request.named);
  }

  protected header(_ctx: OpContext, expected?: DiskIdentity): Promise<HeaderStore> {
    return openFileHeader(this.path, expected);
  }

  protected async grow(virtualSize: bigint, ctx: OpContext): Promise<void> {
    const bytes = this.dataOffset + virtualSize;
    const file = await openExisting(this.path, constants.O_RDWR);
    try {
      if (this.services.policy.preallocate === "space") {
        await preallocate(file.fd, bytes, this.label, this.services, ctx);
      }
      await file.truncate(Number(bytes));
      await file.datasync();
    } catch (error) {
      throw ioError(error, `growing ${this.label}`, { disk: this.disk.name, path: this.path });
    } finally {
      await file.close();
    }
  }

  protected exportTo(
    target: SnapshotTarget,
    unlocked: UnlockedDisk | undefined,
    undo: Rollback,
    ctx: OpContext,
  ): Promise<DiskIdentity> {
    const from = { path: this.path, offset: this.dataOffset, length: this.disk.virtualSize, unlocked };
    return exportDisk(from, this.disk, target, this.services, undo, ctx);
  }

  override async makeCopyTarget(file: NewFile, target: SnapshotTarget): Promise<void> {
    using _made = await makeQcow2(file, target, this.disk.virtualSize, this.services);
  }

  /** Bytes before the guest's first. */
  private get dataOffset(): bigint {
    return this.disk.encryption ? BigInt(this.payloadOffset) * SECTOR : 0n;
  }
}
