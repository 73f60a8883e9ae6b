import { constants } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  type AllocateImage,
  type BackendCapabilities,
  type CopyEnd,
  type DiskIdentity,
  type DiskSource,
  errnoOf,
  fileIdentity,
  FileImage,
  fillRawSnapshot,
  type HeaderStore,
  type ImageDisk,
  type ImageServices,
  ioError,
  newFile,
  type OpContext,
  openExisting,
  openFileHeader,
  operationError,
  removeName,
  type Rollback,
  sameIdentity,
  type SnapshotTarget,
  type UnlockedDisk,
  writeSnapshotFile,
} from "@luksmith/core";
import { cloneTrouble, reflinkMissing, tryClone } from "./clone.ts";
import type { ReflinkOptions } from "./config.ts";
import { isOfDisk } from "./disk-place.ts";
import { writeDisk } from "./write-disk.ts";

export const CAPABILITIES: BackendCapabilities = {
  formats: ["raw"],
  encryption: ["luks"],
  resize: true,
  snapshot: ["raw"],
  overlays: false,
};

const SECTOR = 512n;

/**
 * A disk in a file of a file system with reflinks. What becomes a disk of its own (a snapshot) is encrypted again, with a
 * key of its own; only copies that stay the same disk, or were never encrypted, share blocks.
 */
export class ReflinkImage extends FileImage {
  protected readonly capabilities = CAPABILITIES;
  readonly #options: ReflinkOptions;

  constructor(options: ReflinkOptions, disk: ImageDisk, services: ImageServices) {
    super(options.directory, disk, services);
    this.#options = options;
  }

  source(): DiskSource {
    return { type: "file", file: this.path, format: "raw" };
  }

  spaceNeeded(contentBytes: bigint): bigint {
    return this.dataOffset + contentBytes;
  }

  async actualSize(_ctx: OpContext): Promise<bigint> {
    await using file = await openExisting(this.path, constants.O_RDONLY);
    return (await file.stat({ bigint: true })).size - this.dataOffset;
  }

  protected async allocate(request: AllocateImage, undo: Rollback, ctx: OpContext): Promise<void> {
    const directory = dirname(this.path);
    if (this.#options.reflink === "required" && (await cloneTrouble(directory)) !== undefined) {
      throw reflinkMissing(this.#options.directory);
    }
    await using file = await newFile(this.path, undo, { makeDirectories: true });
    try {
      await writeDisk(file.handle, this.disk, this.dataOffset, request, this.services.luks, ctx);
    } catch (error) {
      throw operationError(error, ctx.signal, `writing ${this.label}`, { path: this.path });
    }
    await file.publish(request.named);
  }

  protected header(_ctx: OpContext, expected?: DiskIdentity): Promise<HeaderStore> {
    return openFileHeader(this.path, expected);
  }

  protected async grow(virtualSize: bigint, _ctx: OpContext): Promise<void> {
    await using file = await openExisting(this.path, constants.O_RDWR);
    try {
      await file.truncate(Number(this.dataOffset + virtualSize));
      await file.datasync();
    } catch (error) {
      throw ioError(error, `growing ${this.label}`, { path: this.path });
    }
  }

  /** The file is the disk, the same one, wherever it came from: nothing is copied if it is on this file system. */
  override async adopt(from: string, undo: Rollback, ctx: OpContext): Promise<void> {
    await using source = await openExisting(from, constants.O_RDONLY);
    {
      await using file = await newFile(this.path, undo, { makeDirectories: true });
      if (await tryClone(source, file.handle)) {
        await file.publish();
        return;
      }
      // Another takes its place, with a name and an undo of its own.
      await removeName(file.temporary);
    }
    await super.adopt(from, undo, ctx);
  }

  protected async exportTo(
    target: SnapshotTarget,
    unlocked: UnlockedDisk | undefined,
    undo: Rollback,
    ctx: OpContext,
  ): Promise<DiskIdentity> {
    await using source = await openExisting(this.path, constants.O_RDONLY);
    const key = unlocked ? { volumeKey: unlocked.volumeKey } : {};
    const from: CopyEnd = { fd: source.fd, offset: this.dataOffset, ...key };
    const length = this.disk.virtualSize;
    const { luks } = this.services;
    const copy = async (to: CopyEnd): Promise<void> => {
      await luks.copy({ from, to, length, sparse: !to.volumeKey, signal: ctx.signal });
    };
    try {
      return await writeSnapshotFile(
        target,
        undo,
        async (file) => {
          if (!unlocked && !target.passphrase && (await tryClone(source, file.handle))) return;
          await fillRawSnapshot(file, target, length, this.services, copy);
        },
        ctx,
      );
    } catch (error) {
      throw operationError(error, ctx.signal, `copying ${this.label} to ${target.path}`);
    }
  }

  /** Checkpoints go first: they are nothing without their disk. */
  protected override async destroy(identity: DiskIdentity, ctx: OpContext): Promise<void> {
    const found = await fileIdentity(this.path);
    if (!found || sameIdentity(found, identity)) await this.#removeCheckpoints();
    await super.destroy(identity, ctx);
  }

  async #removeCheckpoints(): Promise<void> {
    const directory = dirname(this.path);
    const names = await readdir(directory).catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT") return [];
      throw ioError(error, `looking for checkpoints of ${this.label}`);
    });
    for (const name of names.filter(isOfDisk(basename(this.path)))) await removeName(join(directory, name));
  }

  /** Bytes before the guest's first. */
  private get dataOffset(): bigint {
    return this.disk.encryption ? BigInt(this.payloadOffset) * SECTOR : 0n;
  }
}
