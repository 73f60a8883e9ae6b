import { dirname, join } from "node:path";
import { Image } from "../image/image.ts";
import type { Disposal } from "../image/image-hooks.ts";
import type { DiskIdentity, ImageDisk } from "../image/image-disk.ts";
import type { ImageServices } from "../image/image-backend.ts";
import type { OpContext } from "../image/op-context.ts";
import type { Rollback, UndoRecord } from "../image/rollback.ts";
import { sameIdentity } from "../image/same-identity.ts";
import { copyFile } from "./copy-file.ts";
import { fileIdentity } from "./file-identity.ts";
import { FILE_DISPOSAL } from "./file-disposal.ts";
import { freeSpace } from "./free-space.ts";
import { lockHolders } from "./lock-holders.ts";
import { renameFile } from "./rename-file.ts";
import { newFile, removeEmptyDirectory, removeName, undoNewFile } from "./new-file.ts";

/** A disk in a file of its own, `<instances_path>/<instance uuid>/<disk name>`: what all formats have in common. */
export abstract class FileImage extends Image {
  readonly path: string;

  /** @param instancesPath absolute */
  constructor(instancesPath: string, disk: ImageDisk, services: ImageServices) {
    super(disk, services);
    this.path = join(instancesPath, disk.instanceUuid, disk.name);
  }

  identify(_ctx: OpContext): Promise<DiskIdentity | undefined> {
    return fileIdentity(this.path);
  }

  protected undoMade(record: UndoRecord, _ctx: OpContext): Promise<void> {
    return undoNewFile(record);
  }

  override async adopt(from: string, undo: Rollback, ctx: OpContext): Promise<void> {
    await using file = await newFile(this.path, undo, { makeDirectories: true });
    await copyFile(from, file.handle, `copy ${this.disk.name}`, ctx);
    await file.publish();
  }

  override rename(identity: DiskIdentity, name: string, _ctx: OpContext): Promise<void> {
    return renameFile(this.path, join(dirname(this.path), name), identity);
  }

  override get disposal(): Disposal {
    return FILE_DISPOSAL;
  }

  spaceFree(_ctx: OpContext): Promise<bigint | undefined> {
    return freeSpace(this.path);
  }

  protected async destroy(identity: DiskIdentity, _ctx: OpContext): Promise<void> {
    const found = await fileIdentity(this.path);
    if (found && sameIdentity(found, identity)) await removeName(this.path);
    await removeEmptyDirectory(dirname(this.path));
  }

  protected holders(_ctx: OpContext): Promise<readonly string[]> {
    return lockHolders(this.path);
  }
}
