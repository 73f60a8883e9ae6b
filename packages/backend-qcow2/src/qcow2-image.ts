import {
  type AllocateImage,
  type BackingSource,
  type DiskIdentity,
  type DiskSource,
  FileImage,
  fileIdentity,
  type HeaderStore,
  type ImageSource,
  LuksmithError,
  makeFilesystem,
  newFile,
  type OpContext,
  type OpenContent,
  operationError,
  type Rollback,
  type SnapshotTarget,
  type UnlockedDisk,
} from "@luksmith/core";
import { QCOW2_CAPABILITIES } from "./capabilities.ts";
import { exportQcow2 } from "./export-qcow2.ts";
import {
  createImage,
  grow,
  LUKS_AREA_BYTES,
  planImage,
  type PlanRequest,
  spaceNeeded,
} from "./format/index.ts";
import { openHeader } from "./open-header.ts";
import { withImage } from "./with-image.ts";

const SECTOR = 512;

/**
 * A disk in a qcow2 file, encrypted cluster by cluster, the LUKS header in an area of its own. The root disk and formatted
 * disks are overlays on cached bases: made without copying anything.
 */
export class Qcow2Image extends FileImage {
  protected readonly capabilities = QCOW2_CAPABILITIES;
  protected override readonly payloadOffset = LUKS_AREA_BYTES / SECTOR;
  /** What this object made the disk to stand on. */
  #backing: BackingSource | undefined;

  source(): DiskSource {
    const backing = this.disk.backing ?? this.#backing;
    return { type: "file", file: this.path, format: "qcow2", ...(backing ? { backing } : {}) };
  }

  spaceNeeded(_contentBytes: bigint): bigint {
    return spaceNeeded(planImage(this.planRequest()), 0n);
  }

  actualSize(_ctx: OpContext): Promise<bigint> {
    return withImage(this.path, "read", async (image) => image.virtualSize);
  }

  protected override async openSource(source: ImageSource, ctx: OpContext): Promise<OpenContent> {
    const { cache, policy } = this.services;
    const close = { [Symbol.asyncDispose]: async () => {} };
    switch (source.kind) {
      case "blank":
        return close;
      case "image":
        return { ...close, base: await cache.image(source.image, { raw: policy.forceRaw }, ctx) };
      case "filesystem": {
        const make = () => makeFilesystem(source, this.disk, this.services, ctx);
        return { ...close, base: await cache.filesystem(source.format, this.disk.virtualSize, make, ctx) };
      }
    }
  }

  protected async allocate(request: AllocateImage, undo: Rollback, ctx: OpContext): Promise<void> {
    const { base } = request;
    if (base) this.#backing = await this.backingSource(base.path, base.format, base.virtualSize);
    const clusterBits = base?.format === "qcow2" ? await clusterBitsOf(base.path) : undefined;
    const plan = planImage(this.planRequest(clusterBits));
    await using file = await newFile(this.path, undo, { makeDirectories: true });
    try {
      await createImage(file.handle, plan, await request.container);
    } catch (error) {
      throw operationError(error, ctx.signal, `writing ${this.label}`, {
        disk: this.disk.name,
        path: this.path,
      });
    }
    await file.publish();
  }

  protected header(_ctx: OpContext, expected?: DiskIdentity): Promise<HeaderStore> {
    return openHeader(this.path, expected);
  }

  protected async grow(virtualSize: bigint, ctx: OpContext): Promise<void> {
    const { backing } = this.source();
    await withImage(this.path, "write", async (image) => {
      await grow(image, virtualSize, backing ? { backingSize: BigInt(backing.virtualSize) } : {});
    }).catch((error: unknown) => {
      throw operationError(error, ctx.signal, `growing ${this.label}`, {
        disk: this.disk.name,
        path: this.path,
      });
    });
  }

  protected exportTo(
    target: SnapshotTarget,
    unlocked: UnlockedDisk | undefined,
    undo: Rollback,
    ctx: OpContext,
  ): Promise<DiskIdentity> {
    return exportQcow2({ path: this.path, disk: this.disk, unlocked }, target, this.services, undo, ctx);
  }

  private planRequest(clusterBits?: number): PlanRequest {
    const backing = this.#backing;
    return {
      virtualSize: this.disk.virtualSize,
      ...(clusterBits === undefined ? {} : { clusterBits }),
      ...(backing ? { backing: { file: backing.file, format: backing.format } } : {}),
      ...(this.disk.encryption ? { luks: {} } : {}),
    };
  }

  private async backingSource(file: string, format: "raw" | "qcow2", size: bigint): Promise<BackingSource> {
    const identity = await fileIdentity(file);
    if (identity) return { file, format, virtualSize: Number(size), identity };
    throw new LuksmithError("ImageNotFound", `the base ${file} of ${this.label} vanished; try again`, {
      details: { path: file, disk: this.disk.name },
    });
  }
}

/** An overlay has its base's clusters, so that what it copies from there is whole. */
function clusterBitsOf(path: string): Promise<number> {
  return withImage(path, "read", async (image) => image.header.clusterBits);
}
